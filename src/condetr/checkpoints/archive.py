"""The archive inside a file of ``torch.save``, read record by record as PyTorch's own reader finds them.

ZIP readers search for the list of records in different ways, so one file may hold one archive for a checker and
another, which inflates to gigabytes, for PyTorch. Only unambiguous files pass: nothing before the first record or
behind the end, one list right before the end, and uncompressed records that do not overlap.
"""

import struct
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple

from condetr.core.errors import CheckpointError

FIRST = b"PK\3\4"
_END, _END64, _LOCATOR64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
_ENTRY, _LOCAL = struct.Struct("<4s6H3L5H2L"), struct.Struct("<4s5H3L2H")
_WIDE = 0xFFFFFFFF  # a number that is in the extra field
_EXTRA64 = 1  # its kind


class _Record(NamedTuple):
    start: int
    size: int
    name: bytes


def check_archive(path: Path) -> None:
    """Check that every record is stored once, uncompressed, and that nothing else is in the file.

    Raises:
        CheckpointError: it is damaged, or ambiguous for different readers.
    """
    with path.open("rb") as file:
        try:
            start, end, count = _list_of_records(file)
            records = sorted(_records(file, start, end, count))
            _check_positions(file, records, start)
        except _DifferentError as error:
            raise CheckpointError(str(error), source=path, hint="save it again with torch.save") from None
        except (struct.error, OSError, ValueError) as error:
            raise CheckpointError(f"damaged: {error}", source=path) from None


class _DifferentError(Exception):
    """The file differs from what torch.save writes."""


def _list_of_records(file: BufferedIOBase) -> tuple[int, int, int]:
    """Start and end of the list of records, and their number."""
    end = file.seek(0, 2) - _END.size
    if end < 0:
        raise _DifferentError("damaged: it ends too early")
    file.seek(end)
    mark, disk, first_disk, here, count, size, start, comment = _END.unpack(file.read(_END.size))
    if mark != b"PK\5\6" or comment:
        raise _DifferentError("damaged: it is cut off, or something is behind the end of the archive")
    position = end - _LOCATOR64.size
    if position >= _END64.size:
        file.seek(position)
        mark, disk64, at, disks = _LOCATOR64.unpack(file.read(_LOCATOR64.size))
        if mark == b"PK\6\7":
            end = position - _END64.size
            file.seek(end)
            narrow = (count, size, start)
            mark, rest, _, _, disk, first_disk, here, count, size, start = _END64.unpack(file.read(_END64.size))
            if any(
                short not in (0xFFFF, _WIDE, long) for short, long in zip(narrow, (count, size, start), strict=True)
            ):
                raise _DifferentError("refused: its two ends differ, so readers differ")
            if mark != b"PK\6\6" or at != end or rest != _END64.size - 12 or disk64 or disks > 1:
                raise _DifferentError("refused: its end is not where its locator points, so readers differ")
    if disk or first_disk or here != count or start + size != end:
        raise _DifferentError("refused: its list of records is not where its end points, so readers differ")
    return start, end, count


def _records(file: BufferedIOBase, start: int, end: int, count: int) -> Iterator[_Record]:
    file.seek(start)
    content = file.read(end - start)
    position = 0
    for _ in range(count):
        entry = _ENTRY.unpack_from(content, position)
        mark, flags, method, packed, size = entry[0], entry[3], entry[4], entry[8], entry[9]
        name_size, extra_size, comment_size, disk, offset = *entry[10:14], entry[16]
        names = position + _ENTRY.size
        name, extra = content[names : names + name_size], content[names + name_size : names + name_size + extra_size]
        position = names + name_size + extra_size + comment_size
        if mark != b"PK\1\2" or position > len(content):
            raise _DifferentError("refused: its list of records is damaged")
        size, packed, offset = _widened(extra, size, packed, offset)
        if method or packed != size:
            raise _DifferentError("refused: it holds compressed records, which torch.save never writes")
        if flags & 1 or disk not in (0, 0xFFFF):
            raise _DifferentError("refused: it holds encrypted records, or records of other files")
        yield _Record(offset, size, name)
    if position != len(content):
        raise _DifferentError("refused: its list of records is longer than its count")


def _widened(extra: bytes, *numbers: int) -> tuple[int, ...]:
    """The numbers; those that do not fit into 4 bytes are read from the extra field."""
    wide = b""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<2H", extra)
        if kind == _EXTRA64 and not wide:
            wide = extra[4 : 4 + size]
        extra = extra[4 + size :]
    values = []
    for number in numbers:
        if number == _WIDE:
            (number,), wide = struct.unpack_from("<Q", wide), wide[8:]
        values.append(number)
    return tuple(values)


def _check_positions(file: BufferedIOBase, records: list[_Record], end: int) -> None:
    free = 0
    names: set[bytes] = set()
    for record in records:
        file.seek(record.start)
        mark, *_, name_size, extra_size = _LOCAL.unpack(file.read(_LOCAL.size))
        if mark != FIRST or file.read(name_size) != record.name:
            raise _DifferentError("refused: a record is not where the list points")
        if record.start < free:
            raise _DifferentError("refused: its records overlap: it claims more data than the file has")
        if record.start > free and not names:
            raise _DifferentError("refused: something is before its first record")
        free = record.start + _LOCAL.size + name_size + extra_size + record.size
        if free > end:
            raise _DifferentError("refused: it claims more data than the file has")
        if (name := record.name.lower()) in names:
            raise _DifferentError(f"refused: it holds {record.name!r} twice")
        names.add(name)
