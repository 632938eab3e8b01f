"""The directory of tags of a TIFF page; the data that tags point to is read on demand."""

import struct
from dataclasses import dataclass

from condetr.core.errors import ImageError
from condetr.images.containers.exif import SIZES
from condetr.images.containers.header import damaged, exactly
from condetr.images.decoding.sources import Stream

MOST_TAGS = 4_096  # per page; ordinary pages have some dozens
_ORDERS = {b"II": "<", b"MM": ">"}
_CODES = {1: "B", 3: "H", 4: "L", 6: "b", 8: "h", 9: "l", 13: "L", 16: "Q", 17: "q", 18: "Q"}  # whole numbers


@dataclass(frozen=True, slots=True)
class Layout:
    """Byte order and `struct` codes of the file, and the offset of the first page."""

    order: str
    first: int
    count: str
    count_size: int
    offset: str
    offset_size: int
    entry_size: int


@dataclass(frozen=True, slots=True)
class Directory:
    """Type, number of values, and the stored value or offset of each tag."""

    layout: Layout
    tags: dict[int, tuple[int, int, bytes]]
    data: int  # bytes that all tags point to, shared ones counted each time
    next: int

    def count(self, tag: int) -> int:
        return self.tags[tag][1] if tag in self.tags else 0

    def size(self, tag: int) -> int:
        kind, count, _ = self.tags.get(tag, (0, 0, b""))
        return SIZES.get(kind, 0) * count

    def bytes_of(self, stream: Stream, tag: int, name: str) -> bytes:
        size = self.size(tag)
        if size <= self.layout.offset_size:
            return self.tags[tag][2][:size] if size else b""
        (offset,) = struct.unpack(self.layout.order + self.layout.offset, self.tags[tag][2])
        try:
            stream.seek(offset)
        except (OSError, ValueError, OverflowError):
            raise damaged(f"tag {tag} points outside the file", name) from None
        return exactly(stream, size, name)

    def numbers(self, stream: Stream, tag: int, name: str) -> tuple[int, ...]:
        """The integers of a tag; none where it is missing or of another type."""
        kind = self.tags[tag][0] if tag in self.tags else 0
        if kind not in _CODES:
            return ()
        content = self.bytes_of(stream, tag, name)
        return struct.unpack(f"{self.layout.order}{self.count(tag)}{_CODES[kind]}", content)


def layout_of(stream: Stream, name: str) -> Layout:
    stream.seek(0)
    head = exactly(stream, 8, name)
    order = _ORDERS[head[:2]]
    (version,) = struct.unpack(order + "H", head[2:4])
    if version == 42:
        (first,) = struct.unpack(order + "L", head[4:])
        return Layout(order, first, "H", 2, "L", 4, 12)
    (first,) = struct.unpack(order + "Q", exactly(stream, 8, name))  # BigTIFF
    return Layout(order, first, "Q", 8, "Q", 8, 20)


def read_directory(stream: Stream, layout: Layout, start: int, name: str) -> Directory:
    """Raises ImageError where there is none, or where it has too many tags."""
    try:
        stream.seek(start)
    except (OSError, ValueError, OverflowError):
        raise damaged("its first page lies outside the file", name) from None
    (count,) = struct.unpack(layout.order + layout.count, exactly(stream, layout.count_size, name))
    if count > MOST_TAGS:
        raise ImageError(f"has more than {MOST_TAGS} tags", source=name, hint="save it again")
    entries = exactly(stream, count * layout.entry_size, name)
    form = f"{layout.order}HH{layout.offset}{layout.offset_size}s"
    tags, data = {}, 0
    for tag, kind, values, value in struct.iter_unpack(form, entries):
        size = SIZES.get(kind, 0) * values
        data += size if size > layout.offset_size else 0
        if size:
            tags[tag] = (kind, values, value)
    end = stream.read(layout.offset_size)
    following = struct.unpack(layout.order + layout.offset, end)[0] if len(end) == layout.offset_size else 0
    return Directory(layout, tags, data, following)
