"""Images in tar archives (WebDataset shards are such) and zip archives, read member by member without unpacking them.

Members are never written to disk under their names, so a hostile name can do no harm there. Names that lead out of the
archive, links, encrypted members and members that are too large are not read.
"""

import bz2
import gzip
import io
import logging
import lzma
import os
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

from condetr.core.errors import CondetrError, DataError, UsageError
from condetr.images.decoding.sources import MOST_BYTES, Readable
from condetr.images.file_endings import has_image_ending

_TAR, _ZIP = (".tar", ".gz", ".tgz", ".bz2", ".tbz", ".tbz2", ".xz", ".txz"), ".zip"
_COMPRESSED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_MOST_RATIO = 100  # of a compressed tar archive; images hardly shrink at all
_ALWAYS_FITS = 1 << 30  # bytes that it may expand to in any case
_LONGEST_NAME = 4096
_BLOCK = 1 << 20
_DAMAGES = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError,
            NotImplementedError)  # fmt: skip
_logger = logging.getLogger(__name__)


class Member(Readable):
    """An image in an archive, with the ``read`` of a binary stream; it is read when that is called, in any thread."""

    def __init__(self, name: str, read: Callable[[], bytes]) -> None:
        self.name, self._read = name, read

    def read(self, size: int = -1) -> bytes:
        """The whole content; raises OSError where it is damaged."""
        try:
            content = self._read()
        except _DAMAGES as error:
            raise OSError(f"the archive is damaged: {error}") from error
        return content if size < 0 else content[:size]


class Found(NamedTuple):
    """An image of an archive, or what is wrong in its place: its name, where its results are filed, its content."""

    name: str
    relative_path: PurePath
    content: "Member | CondetrError"


def images_in_archive(path: str) -> Iterator[Found]:
    """Every image, in the order of the archive. A compressed tar archive is first expanded into a temporary file.

    Raises:
        UsageError: it cannot be opened.
    """
    suffix = PurePath(path).suffix.lower()
    if suffix not in (*_TAR, _ZIP):
        raise UsageError(f"is an archive, and those of kind {suffix} are not read", source=path, hint="unpack it")
    try:
        members = _zip_members(path) if suffix == _ZIP else _tar_members(path)
        first = next(members, None)
    except _DAMAGES as error:
        if isinstance(error, CondetrError):
            raise
        raise UsageError(f"cannot be read as an archive: {error}", source=path, hint="check the file") from error
    return _images_of(path, first, members)


class _Entry(NamedTuple):
    name: str
    size: int
    refusal: str | None
    read: Callable[[], bytes]


def _images_of(path: str, first: "_Entry | None", rest: "Iterator[_Entry]") -> Iterator[Found]:
    top, skipped, number = PurePath(PurePath(path).name), Counter[str](), 0
    entry = first
    while entry is not None:
        number += 1
        parts = PurePosixPath(entry.name).parts
        if not has_image_ending(entry.name) or any(part.startswith(".") and part != ".." for part in parts):
            skipped["not images"] += 1
        elif (refusal := _refusal_of(entry)) is not None:
            # under a name that no file has, so that it stands for no other image
            name = f"{path}#{number}"
            error = DataError(refusal, source=name, item=entry.name[:_LONGEST_NAME], hint="write the archive anew")
            yield Found(name, top / str(number), error)
        else:
            name = f"{path}/{'/'.join(parts)}"
            yield Found(name, top.joinpath(*parts), Member(name, entry.read))
        try:
            entry = next(rest, None)
        except _DAMAGES as error:
            yield Found(path, top, DataError(f"is damaged behind member {number}: {error}", source=path))
            break
    for kind, count in skipped.items():
        _logger.info("%s: ignored %d members that are %s", path, count, kind)


def _refusal_of(entry: _Entry) -> str | None:
    """Why a member is not read."""
    name = entry.name
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or PureWindowsPath(name).drive or "\0" in name:
        return "leads outside of the archive, which is not allowed"
    if len(name) > _LONGEST_NAME:
        return f"has a name of {len(name)} characters"
    if entry.size > MOST_BYTES:
        return f"has {entry.size} bytes, more than {MOST_BYTES}"
    return entry.refusal


def _tar_members(path: str) -> Iterator[_Entry]:
    file = _Shared(_expanded(path))
    with tarfile.open(fileobj=file.opened, mode="r:", errorlevel=2) as tar:
        while True:
            with file.lock:
                info = tar.next()
            if info is None:
                _check_end(file, tar.offset)
                return
            tar.members = []  # type: ignore[attr-defined]  # it would keep all of them
            if info.isdir():
                continue
            refusal = None if info.isreg() and not info.issparse() else "is a link or device, not a file"
            yield _Entry(info.name, info.size, refusal, file.reader(info.offset_data, info.size))


def _check_end(file: "_Shared", offset: int) -> None:
    """Behind the last member are zeros, or nothing; tarfile ends there also where it cannot read on."""
    block = file.reader(offset, 0, most=tarfile.BLOCKSIZE)()
    if block.strip(b"\0") or len(block) % tarfile.BLOCKSIZE:
        raise tarfile.ReadError("it ends too early, or a head cannot be read")


class _Descriptor(io.RawIOBase):
    """An open file that is closed when nothing refers to it any more, as members do for as long as they are needed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = os.read(self._descriptor, len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = 0) -> int:
        return os.lseek(self._descriptor, offset, whence)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def _opened(path: str) -> io.BufferedReader:
    return io.BufferedReader(_Descriptor(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))))


class _Shared:
    """A file that several threads read from."""

    def __init__(self, opened: io.BufferedReader) -> None:
        self.opened, self.lock = opened, threading.Lock()

    def reader(self, offset: int, size: int, most: int | None = None) -> Callable[[], bytes]:
        """A function that reads at least ``size`` and at most ``most`` bytes, by default ``size``."""

        def read() -> bytes:
            with self.lock:
                position = self.opened.tell()
                try:
                    self.opened.seek(offset)
                    content = self.opened.read(size if most is None else most)
                finally:
                    self.opened.seek(position)
            if len(content) < size:
                raise EOFError("it ends too early")
            return content

        return read


def _expanded(path: str) -> io.BufferedReader:
    """The archive without compression.

    Raises:
        UsageError: it expands to far more than its size.
    """
    plain = _opened(path)
    head = plain.read(6)
    plain.seek(0)
    opener = next((opener for signature, opener in _COMPRESSED.items() if head.startswith(signature)), None)
    if opener is None:
        return plain
    most = max(_ALWAYS_FITS, _MOST_RATIO * Path(path).stat().st_size)
    with tempfile.TemporaryFile(prefix="condetr-") as target, plain, opener(plain, "rb") as source:
        while (block := source.read(_BLOCK)) and target.tell() <= most:
            target.write(block)
        if target.tell() > most:
            raise UsageError(f"expands to more than {most} bytes", source=path, hint="it is no archive of images")
        target.flush()
        target.seek(0)
        return io.BufferedReader(_Descriptor(os.dup(target.fileno())))


def _zip_members(path: str) -> Iterator[_Entry]:
    archive = zipfile.ZipFile(_opened(path))
    for info in archive.infolist():
        if not info.is_dir():
            refusal = "is encrypted" if info.flag_bits & 1 else None
            yield _Entry(info.filename, info.file_size, refusal, _zip_reader(archive, info))


def _zip_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        with archive.open(info) as member:
            return member.read(MOST_BYTES)

    return read
