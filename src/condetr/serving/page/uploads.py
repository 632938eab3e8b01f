"""What visitors of the page send and what is made for them: one folder of bounded size; nothing else is read."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from condetr.core.errors import ImageError

_GONE = "is not an image that was sent to this page, or is gone already; send it again"


class Uploads:
    """A folder whose oldest files make room for new ones; what came along with the page stays."""

    def __init__(self, folder: Path, *, file_bytes: int, all_bytes: int, all_files: int = 2000) -> None:
        self.folder = folder.resolve()
        self.file_bytes, self._all_bytes, self._all_files = file_bytes, all_bytes, all_files
        self._kept: frozenset[Path] = frozenset()

    def keep(self) -> None:
        """What is there now came along with the page, and stays."""
        self._kept = frozenset(path for path, _ in self._files())

    def make_room(self, count: int = 0) -> None:
        """Remove the oldest until ``count`` bytes more fit, and an empty folder is left of none."""
        files = sorted(((path, at) for path, at in self._files() if path not in self._kept), key=lambda one: one[1][0])
        bytes_left = sum(size for _, (_, size) in files)
        for number, (path, (_, size)) in enumerate(files):
            if bytes_left + count <= self._all_bytes and len(files) - number < self._all_files:
                return
            path.unlink(missing_ok=True)
            bytes_left -= size
            if path.parent != self.folder:
                _remove_if_empty(path.parent)

    def content_of(self, path: object) -> bytes:
        """A file of the folder, by what a visitor calls it.

        Raises:
            ImageError: it lies elsewhere, is no plain file, is too large, or is gone.
        """
        place = self.place_of(path)
        if place is None:
            raise ImageError(_GONE)
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            raise ImageError(_GONE) from None
        with open(descriptor, "rb") as file:  # noqa: PTH123  a Path cannot be opened without following links
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise ImageError(_GONE)
            if found.st_size > self.file_bytes:
                raise ImageError(f"has {found.st_size} bytes, over the limit of {self.file_bytes} bytes")
            return file.read(self.file_bytes)

    def place_of(self, path: object) -> Path | None:
        """Where it lies, once all links are followed; None where that is not a plain file of the folder."""
        if not isinstance(path, str):
            return None
        try:
            place = Path(path).resolve(strict=True)
            plain = stat.S_ISREG(place.lstat().st_mode)
        except (OSError, ValueError, RuntimeError):  # of names that cannot be, and of links in a circle
            return None
        return place if plain and Path(path).is_absolute() and place.is_relative_to(self.folder) else None

    def _files(self) -> list[tuple[Path, tuple[float, int]]]:
        """Each with when it came and its size."""
        found = []
        for folder, _, names in os.walk(self.folder):
            for name in names:
                try:
                    there = os.lstat(os.path.join(folder, name))  # noqa: PTH118  in every request, so quickly
                except FileNotFoundError:
                    continue
                found.append((Path(folder, name), (there.st_mtime, there.st_size)))
        return found


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # something is in it
        folder.rmdir()
