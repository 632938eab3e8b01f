"""New folders for output: made before costly work begins; nothing that is there already is touched."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path

from PIL import Image

from condetr.core.errors import CondetrError, StorageError, UsageError
from condetr.files.atomic_write import writing_to

ANOTHER_OUTPUT = "give another --output"
UNFINISHED = ".unfinished"  # a folder in the new one that holds everything until it is complete


def next_free(base: Path) -> Path:
    """``base``, or ``base-2``, ``base-3``, ...: the first that does not exist."""
    numbered = (base.with_name(f"{base.name}-{number}") for number in count(2))
    return next(folder for folder in chain([base], numbered) if not folder.exists())


def check_unused(folder: Path, *, hint: str = ANOTHER_OUTPUT) -> None:
    """Raises UsageError: the path exists and is not an empty folder."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("exists and is not an empty folder", source=folder, hint=hint)


@contextmanager
def new_folder(folder: Path, *, may_be_used: bool = False, hint: str = ANOTHER_OUTPUT) -> Iterator[None]:
    """A folder for results, made before anything costly begins; removed again if nothing is written to it.

    Raises:
        UsageError: it is used and ``may_be_used`` is False, or it cannot be written.
    """
    missing: list[Path] = []
    try:
        with preparing(folder, hint=hint):
            missing = missing_folders(folder)
            if not may_be_used:
                check_unused(folder, hint=hint)
            make_writable(folder)
        yield
    finally:
        remove_empty(missing)


@contextmanager
def preparing(folder: Path, *, item: str | None = None, hint: str = ANOTHER_OUTPUT) -> Iterator[None]:
    """Report an OSError inside as a UsageError of ``folder``."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        if isinstance(error, CondetrError):
            raise
        reason = f"cannot be written: {getattr(error, 'strerror', None) or error}"
        raise UsageError(reason, source=folder, item=item, hint=hint) from error


def make_writable(folder: Path) -> None:
    """Make the folder and try to write in it. Raises OSError or ValueError."""
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()


def missing_folders(folder: Path) -> list[Path]:
    """The folder and those of its parents that do not exist, innermost first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders, innermost first, up to the first that is not empty."""
    with suppress(OSError, ValueError):  # ValueError: a name with a NUL
        for folder in folders:
            folder.rmdir()


class OutputFolder:
    """Writes files into one new folder."""

    def __init__(self, path: str | Path, *, inside: str = "") -> None:
        """Make the folder, and in it the folder ``inside``, if given, for the files.

        Raises:
            UsageError: it exists and is not an empty folder.
            StorageError: it cannot be made.
        """
        self.path = Path(path)
        self._beneath = self.path / inside
        with writing_to(self.path):
            killed = (self.path / UNFINISHED).is_dir()
            left = f"{UNFINISHED} in it was left by a killed process; remove the folder, or " if killed else ""
            check_unused(self.path, hint=f"{left}name a new one")
            self._beneath.mkdir(parents=True, exist_ok=True)

    def path_of(self, name: str) -> Path:
        """The path for a file of this name, whose folder exists."""
        path = self._beneath / name
        with writing_to(self.path / name):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, text: str) -> None:
        self.write_bytes(name, text.encode())

    def write_bytes(self, name: str, content: bytes) -> None:
        path = self.path_of(name)
        with writing_to(self.path / name):
            path.write_bytes(content)

    def save(self, name: str, image: Image.Image, *, quality: int) -> Path:
        """Write an image; returns its path, final once the folder is complete."""
        path = self.path_of(name).absolute()
        with writing_to(self.path / name):
            image.save(path, quality=quality)
        return (self.path / name).absolute()

    def copy(self, source: Path, name: str) -> None:
        """Copy a file unchanged.

        Raises:
            StorageError: it cannot be read, or the copy cannot be written.
        """
        path = self.path_of(name)
        try:
            original = source.open("rb")
        except OSError as error:
            raise StorageError(f"cannot be read: {error.strerror or error}", source=source) from error
        with original, writing_to(self.path / name), path.open("wb") as copy:
            shutil.copyfileobj(original, copy, 1 << 20)

    def link(self, source: Path, name: str) -> None:
        """Make a hard link to a file, else a symbolic link, else a copy.

        Raises:
            StorageError: the file cannot be read, or the copy cannot be written.
        """
        path, real = self.path_of(name), os.path.realpath(source)
        if os.path.lexists(path):  # a copy would be written into the file that it is a link to
            raise StorageError("is there already", source=self.path / name)
        for make in (os.link, os.symlink):
            with suppress(OSError):  # another disk, or a file system without such links
                make(real, path)
                return
        self.copy(source, name)


@contextmanager
def whole_folder(path: str | Path) -> Iterator[OutputFolder]:
    """A new folder that is complete or absent: work that stops halfway leaves nothing that looks finished.

    Raises:
        UsageError: it exists and is not an empty folder.
        StorageError: it cannot be written.
    """
    missing = missing_folders(Path(path))
    output, names = None, list[str]()
    try:
        output = OutputFolder(path, inside=UNFINISHED)
        yield output
        with writing_to(output.path):
            names = os.listdir(output.path / UNFINISHED)  # noqa: PTH208
            finish(output.path)
    except BaseException:
        if output is not None:
            for written in (output.path / name for name in (UNFINISHED, *names)):
                shutil.rmtree(written, ignore_errors=True)
                with suppress(OSError):
                    written.unlink()
        remove_empty(missing)
        raise


def finish(folder: Path) -> None:
    """Move everything out of the folder UNFINISHED in a folder, as the last step of writing it.

    Raises:
        OSError: it cannot be moved.
    """
    for written in sorted((folder / UNFINISHED).iterdir()):
        written.rename(folder / written.name)
    (folder / UNFINISHED).rmdir()
