"""The orientation of an image in EXIF and XMP, the only tag that matters here.

It is read without the rest, since a block can be crafted so that reading all of it takes gigabytes.
"""

import re
import struct

ORIENTATION = 0x0112  # EXIF 2.32, table 4
PREFIX = b"Exif\0\0"
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_ORDERS = {b"II": "<", b"MM": ">"}
_IN_XMP = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_SLACK = 64 * 1024  # bytes


def orientation_of(exif: bytes, xmp: bytes = b"") -> int:
    """From EXIF, else from XMP; 1 (upright) where neither has one."""
    orientation = _in_exif(exif)
    if orientation is None and (match := _IN_XMP.search(xmp)):
        orientation = int(match[1])
    return 1 if orientation is None else orientation


def is_modest(exif: bytes) -> bool:
    """Whether the tags of the first directory claim no more bytes than the block has, so that reading all is safe."""
    sizes = [SIZES.get(kind, 0) * count for _, kind, count, _ in _entries(exif.removeprefix(PREFIX))]
    return sum(size for size in sizes if size > 4) <= len(exif) + _SLACK


def _in_exif(exif: bytes) -> int | None:
    orientation = None
    block = exif.removeprefix(PREFIX)
    for tag, kind, count, value in _entries(block):
        if tag == ORIENTATION and count in (1, 2) and kind in (3, 4):
            (orientation,) = struct.unpack_from(_ORDERS[block[:2]] + ("H" if kind == 3 else "L"), value)
    return orientation


def _entries(block: bytes) -> list[tuple[int, int, int, bytes]]:
    """Tag, type, count and value of each entry of the first directory; none where this is not EXIF."""
    order = _ORDERS.get(block[:2])
    if order is None or len(block) < 8:
        return []
    (start,) = struct.unpack_from(order + "L", block, 4)
    if start + 2 > len(block):
        return []
    (count,) = struct.unpack_from(order + "H", block, start)
    count = min(count, (len(block) - start - 2) // 12)
    return list(struct.iter_unpack(order + "HHL4s", block[start + 2 : start + 2 + 12 * count]))
