"""TIFF: the tags of the first page, checked before Pillow and libtiff read what they point to."""

import struct
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from math import ceil
from typing import Any

from PIL import Image, TiffImagePlugin

from condetr.core.errors import ImageError
from condetr.images.containers.exif import ORIENTATION, orientation_of
from condetr.images.containers.header import MOST_FRAMES, MOST_XMP, Header, damaged, exactly, length_of
from condetr.images.containers.jpeg import check_scans
from condetr.images.containers.tiff_tags import Directory, Layout, layout_of, read_directory
from condetr.images.decoding.sources import Stream

MOST_STRIPS = 2**16  # or tiles; Pillow iterates over them in Python
MOST_VALUES = 16  # of a tag with one value, or one per channel
_SLACK = 2**24  # bytes or pixels that a file may claim in excess
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES, _ROWS, _PLANES = 256, 257, 258, 259, 277, 278, 284
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
_XMP, _PROFILE = 700, 34675
_FEW = (254, 255, 256, 257, 258, 259, 262, 266, 274, 277, 278, 282, 283, 284, 296, 317, 322, 323, 338, 339)
_BYTES = (1, 2, 6, 7)  # TIFF types
_RAW, _JPEGS = 1, (6, 7)
_SCANS = 4  # per strip that is a JPEG
_MOST_SCANS = 100


def read_tiff(stream: Stream, name: str, whole: bool) -> Header:  # noqa: FBT001 - the signature of all readers
    """Raises ImageError where the first page claims more than the file has. If ``whole``, counts the pages."""
    layout = layout_of(stream, name)
    page = read_directory(stream, layout, layout.first, name)
    length = length_of(stream)
    for tag, (kind, count, _) in page.tags.items():
        if (tag in _FEW and count > MOST_VALUES) or (tag in (_XMP, _PROFILE) and kind not in _BYTES):
            raise damaged(f"tag {tag} has {count} values of type {kind}", name)
    if page.data > length:
        raise damaged(f"its tags claim {page.data} bytes, but the file has {length}", name)

    def number(tag: int, default: int) -> int:
        values = page.numbers(stream, tag, name)
        return int(values[0]) if values else default

    width, height = number(_WIDTH, 0), number(_HEIGHT, 0)
    if width > 0 and height > 0:
        _check_strips(stream, page, number, (width, height), length, name)
    xmp = page.bytes_of(stream, _XMP, name) if page.size(_XMP) <= MOST_XMP else b""
    orientation = number(ORIENTATION, 0)

    def open_image() -> Image.Image:
        stream.seek(0)
        return _FirstPage(stream)

    return Header(
        format="TIFF",
        width=width,
        height=height,
        orientation=orientation or orientation_of(b"", xmp),
        frames=_count(stream, layout, name) if whole else 1,
        bits=number(_BITS, 1),
        open=open_image,
    )


class _FirstPage(TiffImagePlugin.TiffImageFile):
    """Pillow's TIFF reader, without reading EXIF, turning the image on load, and Pillow's pixel limit."""

    def load_prepare(self) -> None:
        if self._im is None:
            self.im = Image.new(self.mode, getattr(self, "_tile_size", self.size)).im
        super().load_prepare()

    def load_end(self) -> None:
        self._size = self.im.size  # before, Pillow reports the size of the turned image


def _check_strips(stream: Stream, page: Directory, number: Any, size: tuple[int, int], length: int, name: str) -> None:
    """Check that the strips or tiles cover the image, and claim about as many bytes as the file has."""
    (width, height), compression = size, number(_COMPRESSION, _RAW)
    tiled = _TILE_WIDTH in page.tags
    offsets, sizes = (324, 325) if tiled else (273, 279)
    rows = number(_ROWS, height) or height
    across, down = (number(_TILE_WIDTH, width), number(_TILE_HEIGHT, height)) if tiled else (width, min(rows, height))
    if across < 1 or down < 1 or across * down > max(4 * width * height, _SLACK):
        raise damaged(f"its tiles are {across}x{down} pixels, in an image of {width}x{height}", name)
    planes = number(_SAMPLES, 1) if number(_PLANES, 1) == 2 else 1
    needed, stored = ceil(width / across) * ceil(height / down) * planes, page.count(offsets)
    what = "tiles" if tiled else "strips"
    if stored > MOST_STRIPS:
        raise ImageError(f"has more than {MOST_STRIPS} {what}", source=name, hint="save it again")
    if stored < needed and compression == _RAW:
        raise damaged(f"it has {stored} of {needed} {what}", name)
    if stored > needed + MOST_VALUES:
        raise damaged(f"it has {stored} {what}, but its size needs {needed}", name)
    if compression == _RAW:
        return
    if page.count(sizes) != stored and stored > 1:
        raise damaged(f"it has {stored} {what}, but {page.count(sizes)} sizes", name)
    claimed = sum(page.numbers(stream, sizes, name))
    if stored > 1 and claimed > length + _SLACK:
        raise damaged(f"its {what} claim {claimed} bytes, but the file has {length}", name)
    if compression in _JPEGS:
        stream.seek(0)
        check_scans(stream, 0, _SCANS * stored + _MOST_SCANS, name)


def page_positions(stream: Stream, layout: Layout, name: str) -> Iterator[tuple[int, int]]:
    """Where the directory of each page begins, and where the offset of the next one stands.

    A directory that was there before ends them.

    Raises:
        ImageError: a directory is unreadable.
    """
    seen, position = set[int](), layout.first
    while position and position not in seen:
        seen.add(position)
        try:
            stream.seek(position)
            (entries,) = struct.unpack(layout.order + layout.count, exactly(stream, layout.count_size, name))
            end = stream.seek(entries * layout.entry_size, 1)
            (following,) = struct.unpack(layout.order + layout.offset, exactly(stream, layout.offset_size, name))
        except (OSError, ValueError, OverflowError) as error:
            raise damaged(f"a page lies outside of the file ({error})", name) from error
        yield position, end
        position = following


def _count(stream: Stream, layout: Layout, name: str) -> int:
    """The number of pages; an unreadable page ends the count."""
    count = 0
    with suppress(ImageError):
        for _ in islice(page_positions(stream, layout, name), MOST_FRAMES):
            count += 1
    return max(1, count)
