"""A new folder that a data set is written to; nothing that is there already is touched."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from condetr.core.errors import StorageError, UsageError


class OutputFolder:
    """Files below one new folder."""

    def __init__(self, path: str | Path) -> None:
        """Make the folder.

        Raises:
            UsageError: there is something in it.
            StorageError: it cannot be made.
        """
        self.path = Path(path)
        with _storage(self.path):
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                raise UsageError("exists and is not an empty folder", source=self.path, hint="name a new one")
            self.path.mkdir(parents=True, exist_ok=True)

    def place(self, name: str) -> Path:
        """Where a file of this name goes; its folder is there."""
        path = self.path / name
        with _storage(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, text: str) -> None:
        path = self.place(name)
        with _storage(path):
            path.write_text(text, encoding="utf-8")

    def write_bytes(self, name: str, content: bytes) -> None:
        path = self.place(name)
        with _storage(path):
            path.write_bytes(content)

    def save(self, name: str, picture: Image.Image, *, quality: int) -> Path:
        """Write a picture, and say where it is."""
        path = self.place(name).absolute()
        with _storage(path):
            picture.save(path, quality=quality)
        return path

    def copy(self, source: Path, name: str) -> None:
        path = self.place(name)
        with _storage(path):
            shutil.copyfile(source, path)


@contextmanager
def _storage(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"cannot be written: {error.strerror or error}", source=path) from error
