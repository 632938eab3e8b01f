"""Uploads of visitors and files made for them: one folder of bounded size; no other file is read."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from condetr.core.errors import ImageError

_GONE = "is not an image that was sent to this page, or is already removed; send it again"


class Uploads:
    """A folder whose oldest files are removed for new ones; example images stay."""

    def __init__(self, folder: Path, *, file_bytes: int, all_bytes: int, all_files: int = 2000) -> None:
        self.folder = folder.resolve()
        self.file_bytes, self._all_bytes, self._all_files = file_bytes, all_bytes, all_files
        self._kept: frozenset[Path] = frozenset()

    def keep(self) -> None:
        """Never remove the files that are there now, the example images."""
        self._kept = frozenset(path for path, _ in self._files())

    def make_room(self, count: int = 0) -> None:
        """Remove the oldest files until ``count`` bytes more fit, and the folders left empty."""
        files = [(path, stats) for path, stats in self._files() if path not in self._kept]
        files.sort(key=lambda file: file[1][0])
        bytes_left = sum(size for _, (_, size) in files)
        for number, (path, (_, size)) in enumerate(files):
            if bytes_left + count <= self._all_bytes and len(files) - number < self._all_files:
                return
            path.unlink(missing_ok=True)
            bytes_left -= size
            if path.parent != self.folder:
                with suppress(OSError):  # it is not empty
                    path.parent.rmdir()

    def content_of(self, path: object) -> bytes:
        """The bytes of a file of the folder, by the path that a visitor sent.

        Raises:
            ImageError: it is outside the folder, no regular file, too large, or gone.
        """
        file_path = self.resolve(path)
        if file_path is None:
            raise ImageError(_GONE)
        try:
            descriptor = os.open(file_path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            raise ImageError(_GONE) from None
        with open(descriptor, "rb") as file:  # noqa: PTH123  a Path cannot be opened without following links
            stats = os.fstat(descriptor)
            if not stat.S_ISREG(stats.st_mode):
                raise ImageError(_GONE)
            if stats.st_size > self.file_bytes:
                raise ImageError(f"has {stats.st_size} bytes, over the limit of {self.file_bytes} bytes")
            return file.read(self.file_bytes)

    def resolve(self, path: object) -> Path | None:
        """The path with all links followed; None unless it is a regular file of the folder."""
        if not isinstance(path, str):
            return None
        try:
            resolved = Path(path).resolve(strict=True)
            regular = stat.S_ISREG(resolved.lstat().st_mode)
        except (OSError, ValueError, RuntimeError):  # impossible names, and cyclic links
            return None
        return resolved if regular and Path(path).is_absolute() and resolved.is_relative_to(self.folder) else None

    def _files(self) -> list[tuple[Path, tuple[float, int]]]:
        """Each with its modification time and size."""
        files = []
        for folder, _, names in os.walk(self.folder):
            for name in names:
                try:
                    stats = os.lstat(os.path.join(folder, name))  # noqa: PTH118  fast, for it runs in every request
                except FileNotFoundError:
                    continue
                files.append((Path(folder, name), (stats.st_mtime, stats.st_size)))
        return files
