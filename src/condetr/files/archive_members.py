"""The members of tar and zip archives, one by one, without unpacking them."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from condetr.core.errors import UsageError
from condetr.files.inside import leads_outside

_COMPRESSED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_MOST_RATIO = 100  # of a compressed tar archive; images hardly shrink at all
_ALWAYS_FITS = 1 << 30  # bytes that it may expand to in any case
_MOST_BYTES = 1 << 30  # of a member of a zip archive
LONGEST_NAME = 4096
_BLOCK = 1 << 20
DAMAGES = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError,
           NotImplementedError)  # fmt: skip


class Entry(NamedTuple):
    """A member.

    Attributes:
        name: as it is stored; it may lead out of the archive, see `refusal_of`.
        size: in bytes, as the archive states it.
        refusal: why it cannot be read, whatever its name.
        read: its content; may be called in any thread.
        offset: of its first byte in the file, in a tar archive that is not compressed.
    """

    name: str
    size: int
    refusal: str | None
    read: Callable[[], bytes]
    offset: int | None = None


def refusal_of(entry: Entry, most_bytes: int) -> str | None:
    """Why a member is not read."""
    name = entry.name
    if leads_outside(name):
        return "leads outside of the archive, which is not allowed"
    if len(name) > LONGEST_NAME:
        return f"has a name of {len(name)} characters"
    if entry.size > most_bytes:
        return f"has {entry.size} bytes, more than {most_bytes}"
    return entry.refusal


def tar_members(path: str) -> Iterator[Entry]:
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
            yield Entry(info.name, info.size, refusal, file.reader(info.offset_data, info.size), info.offset_data)


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


def zip_members(path: str) -> Iterator[Entry]:
    archive = zipfile.ZipFile(_opened(path))
    for info in archive.infolist():
        if not info.is_dir():
            refusal = "is encrypted" if info.flag_bits & 1 else None
            yield Entry(info.filename, info.file_size, refusal, _zip_reader(archive, info))


def _zip_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        with archive.open(info) as member:
            return member.read(_MOST_BYTES)

    return read
