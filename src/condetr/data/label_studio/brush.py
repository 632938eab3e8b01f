"""Label Studio's brush: runs of bytes of an RGBA image, packed bit by bit (rle-pack of thi-ng/umbrella).

32 bits hold the number of bytes, 5 the bits of a byte less one, and four times 4 the bits of a length less one. Then
each run has a bit (1: one byte repeated; 0: a byte each), 2 bits that choose among the four, a length less one, and
its bytes.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool

from condetr.core.short_repr import short_repr
from condetr.images.coco_labels.fields import SegmentationError
from condetr.images.sizes import HeightWidth

_PLANES = 4  # red, green, blue and alpha, which is the mask


def pixels_of_brush(encoded: Any, size: HeightWidth) -> Bool[np.ndarray, "height width"]:
    """The pixels that are not transparent.

    Raises:
        SegmentationError: it is not packed like this, or for another (height, width).
    """
    if not isinstance(encoded, list) or not all(type(byte) is int and 0 <= byte < 256 for byte in encoded):
        raise SegmentationError(f"has the rle {short_repr(encoded)}, expected bytes")
    bits = _Bits(bytes(encoded))
    total, height, width = bits.read(32), *size
    if total != _PLANES * height * width:
        raise SegmentationError(f"has an rle of {total} bytes, expected {_PLANES * height * width}, as the image")
    depth = bits.read(5) + 1
    lengths = [bits.read(4) + 1 for _ in range(4)]
    values = np.zeros(total, dtype=bool)
    at = 0
    while at < total:
        repeated = bits.read(1)
        end = at + 1 + bits.read(lengths[bits.read(2)])
        if end > total:
            raise SegmentationError("has an rle with a run beyond its end")
        if repeated:
            values[at:end] = bits.read(depth) > 0
        else:
            values[at:end] = [bits.read(depth) > 0 for _ in range(at, end)]
        at = end
    return values.reshape(height, width, _PLANES)[..., _PLANES - 1]


class _Bits:
    """Reads bytes bit by bit, the highest first."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def read(self, count: int) -> int:
        first, self._at = self._at, self._at + count
        window = self._content[first // 8 : (self._at + 7) // 8]
        if self._at > 8 * len(self._content):
            raise SegmentationError("has an rle that ends inside of a run")
        return int.from_bytes(window) >> (-self._at % 8) & (1 << count) - 1
