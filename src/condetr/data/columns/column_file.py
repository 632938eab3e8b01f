"""Columns in one file, which every process maps into its memory: the system keeps one copy for all of them.

A process that uses a file holds a shared lock on it, so that others do not remove it (`is_used`).
"""

import json
import mmap
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

from condetr.core.errors import StorageError
from condetr.data.columns.arrays import ARRAYS, ExampleArrays
from condetr.files.atomic_write import write_files, write_text

_MAGIC = b"condetr columns\n"
_START = struct.Struct("<16sQI")  # the magic, then length and checksum of the header
_ALIGNED = 64  # bytes, on which every array begins
_CHUNK = 2**22  # bytes that are read at once to check them


class DamagedError(ValueError):
    """A file does not hold what was written to it."""


@dataclass(frozen=True, slots=True)
class ColumnFile:
    """A file of columns."""

    path: Path

    def write(self, arrays: ExampleArrays) -> None:
        """Raises OSError: it cannot be written."""
        table: dict[str, tuple[str, tuple[int, ...], int]] = {}
        parts: list[memoryview | bytes] = []
        size = checksum = 0
        for name in ARRAYS:
            array = np.ascontiguousarray(getattr(arrays, name))
            table[name] = array.dtype.str, array.shape, size
            parts += [array.data if array.size else b"", bytes(-array.nbytes % _ALIGNED)]
            size += array.nbytes + len(parts[-1])
        for part in parts:
            checksum = zlib.crc32(part, checksum)
        content = {"arrays": table, "mark_sets": arrays.mark_sets, "bytes": size, "checksum": checksum}
        header = json.dumps(content).encode()
        header += b" " * (-(len(header) + _START.size) % _ALIGNED)
        with self.path.open("wb") as file:
            file.write(_START.pack(_MAGIC, len(header), zlib.crc32(header)) + header)
            file.writelines(parts)

    def check(self) -> None:
        """Read all of it once, without mapping it.

        Raises:
            DamagedError: it is not what was written.
            OSError: it cannot be read.
        """
        with self.path.open("rb") as file:
            header, _ = _header_of(file)
            size = found = 0
            while chunk := file.read(_CHUNK):
                size += len(chunk)
                found = zlib.crc32(chunk, found)
        if (size, found) != (header["bytes"], header["checksum"]):
            raise DamagedError(f"{self.path} is not as it was written")

    def arrays(self) -> ExampleArrays:
        """Read-only arrays over the file, of which only the parts in use are in memory.

        Raises:
            DamagedError: it is not complete.
            OSError: it cannot be read.
        """
        with self.path.open("rb") as file:
            header, first = _header_of(file)
            _lock_shared(file)
            memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)  # keeps the file open, and so the lock
        if len(memory) < first + header["bytes"]:
            raise DamagedError(f"{self.path} is shorter than it was written")
        arrays = {}
        for name in ARRAYS:
            dtype, shape, at = header["arrays"][name]
            arrays[name] = np.frombuffer(memory, dtype, int(np.prod(shape)), first + at).reshape(shape)
        return ExampleArrays(**arrays, mark_sets=tuple(map(tuple, header["mark_sets"])))

    def remembered(self, name: str, compute: Callable[[], str]) -> str:
        """A hash that is kept beside the file; computed where it is not there, or damaged."""
        path = self.path.with_suffix(f".{name}")
        with suppress(OSError, ValueError):
            text, expected = path.read_text(encoding="ascii").split()
            if _check_digits(text) == expected:
                return text
        text = compute()
        with suppress(StorageError):  # then the next process computes it, too
            write_files(path.parent, {path.name: partial(write_text, f"{text} {_check_digits(text)}\n")}, to_disk=False)
        return text

    def is_used(self) -> bool:
        """Whether a process has it mapped, also on another machine; False where the system has no such locks."""
        with suppress(ImportError, OSError), self.path.open("rb") as file:
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False


def _check_digits(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


def _header_of(file: IO[bytes]) -> tuple[dict[str, Any], int]:
    """The header, and where the arrays begin."""
    start = file.read(_START.size)
    if len(start) < _START.size:
        raise DamagedError(f"{file.name} is shorter than it was written")
    magic, length, expected = _START.unpack(start)
    text = file.read(length) if magic == _MAGIC and length < _CHUNK else b""
    if len(text) != length or zlib.crc32(text) != expected:
        raise DamagedError(f"{file.name} does not begin as it was written")
    return json.loads(text), _START.size + length


def _lock_shared(file: IO[bytes]) -> None:
    with suppress(ImportError, OSError):  # Windows removes no mapped file; some file systems have no locks
        import fcntl

        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
