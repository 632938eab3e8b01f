"""A new folder that a data set is written to; nothing that is there already is touched."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image

from condetr.core.errors import StorageError, UsageError

_UNFINISHED = ".unfinished"  # a folder in the new one, where everything is until all of it is there


class OutputFolder:
    """Files below one new folder."""

    def __init__(self, path: str | Path, *, inside: str = "") -> None:
        """Make the folder, and the one ``inside`` it where files are put.

        Raises:
            UsageError: there is something in it.
            StorageError: it cannot be made.
        """
        self.path = Path(path)
        self._beneath = self.path / inside
        with _storage(self.path):
            if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
                left = (self.path / _UNFINISHED).is_dir()
                hint = f"{_UNFINISHED} in it is of work that was killed; remove the folder, or" if left else ""
                raise UsageError(
                    "exists and is not an empty folder", source=self.path, hint=f"{hint} name a new one".strip()
                )
            self._beneath.mkdir(parents=True, exist_ok=True)

    def place(self, name: str) -> Path:
        """Where a file of this name goes; its folder is there."""
        path = self._beneath / name
        with _storage(self.path / name):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, text: str) -> None:
        path = self.place(name)
        with _storage(self.path / name):
            path.write_text(text, encoding="utf-8")

    def write_bytes(self, name: str, content: bytes) -> None:
        path = self.place(name)
        with _storage(self.path / name):
            path.write_bytes(content)

    def save(self, name: str, image: Image.Image, *, quality: int) -> Path:
        """Write an image, and say where it is, or will be when the folder is whole."""
        path = self.place(name).absolute()
        with _storage(self.path / name):
            image.save(path, quality=quality)
        return (self.path / name).absolute()

    def copy(self, source: Path, name: str) -> None:
        """Copy a file, as it is.

        Raises:
            StorageError: it cannot be read, or the copy not be written.
        """
        path = self.place(name)
        try:
            given = source.open("rb")
        except OSError as error:
            raise StorageError(f"cannot be read: {error.strerror or error}", source=source) from error
        with given, _storage(self.path / name), path.open("wb") as copy:
            shutil.copyfileobj(given, copy, 1 << 20)


@contextmanager
def whole_folder(path: str | Path) -> Iterator[OutputFolder]:
    """A new folder that holds everything, or is not there: what stops halfway leaves nothing that looks finished.

    Raises:
        UsageError: there is something in it.
        StorageError: it cannot be written.
    """
    missing = [folder for folder in (Path(path), *Path(path).parents) if not folder.exists()]
    output = None
    try:
        output = OutputFolder(path, inside=_UNFINISHED)
        yield output
        with _storage(output.path):
            for written in sorted((output.path / _UNFINISHED).iterdir()):
                written.rename(output.path / written.name)
            (output.path / _UNFINISHED).rmdir()
    except BaseException:
        if output is not None:
            shutil.rmtree(output.path / _UNFINISHED, ignore_errors=True)
        with suppress(OSError):
            for folder in missing:
                folder.rmdir()
        raise


@contextmanager
def _storage(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(f"cannot be written: {error.strerror or error}", source=path) from error
