"""Masks as runs of equal pixels, column by column, zeros first: COCO's run-length encoding.

Counts are a list, or compressed text: five bits and a continuation bit per character; from the third count on, the
difference from the count before last.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from condetr.images.sizes import HeightWidth


def mask_of_rle(encoded: Mapping[str, Any], size: HeightWidth) -> Bool[Tensor, "height width"]:
    """The mask of ``{"size": [height, width], "counts": list or text}``.

    Raises:
        ValueError: it is invalid, or does not fit the image's ``size``.
    """
    counts = counts_of_rle(encoded, size)
    pixels = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    return torch.from_numpy(pixels.reshape(size, order="F").copy())


def counts_of_rle(encoded: Mapping[str, Any], size: HeightWidth) -> Sequence[int]:
    """The run lengths; they add up to the pixels of the image.

    Raises:
        ValueError: as `mask_of_rle`.
    """
    stated = encoded.get("size")
    if not isinstance(stated, list | tuple) or tuple(stated) != size:
        raise ValueError(f"RLE has size {stated}, expected the image's {list(size)}")
    counts = encoded.get("counts")
    if isinstance(counts, str | bytes):
        counts = _unpack(counts if isinstance(counts, str) else counts.decode("ascii", "replace"))
    if not isinstance(counts, list | tuple) or not all(type(count) is int for count in counts):
        raise ValueError("RLE counts must be whole numbers, or compressed text")
    if any(count < 0 for count in counts):
        raise ValueError(f"RLE has a negative count {min(counts)}")
    if sum(counts) != size[0] * size[1]:
        raise ValueError(f"RLE counts add up to {sum(counts)} pixels, expected {size[0] * size[1]}, as the size")
    return counts


def box_of_rle(encoded: Mapping[str, Any], size: HeightWidth) -> tuple[int, int, int, int] | None:
    """The box x1, y1, x2, y2 of its pixels; None if it has none.

    Raises:
        ValueError: as `mask_of_rle`.
    """
    height = size[0]
    ends = np.cumsum(counts_of_rle(encoded, size), dtype=np.int64)
    starts, ends = ends[:-1:2], ends[1::2]
    starts, ends = starts[ends > starts], ends[ends > starts] - 1
    if not len(starts):
        return None
    left, right = int(starts[0]) // height, int(ends[-1]) // height + 1
    if (starts // height != ends // height).any():  # a run that continues in the next column
        return left, 0, right, height
    return left, int((starts % height).min()), right, int((ends % height).max()) + 1


def rle_of_mask(mask: Bool[Tensor, "height width"]) -> dict[str, Any]:
    """The compressed form, as in COCO result files."""
    pixels = mask.cpu().numpy().ravel(order="F")
    ends = np.flatnonzero(np.diff(pixels, prepend=False)).tolist()
    starts = [0, *ends]
    counts = [end - start for start, end in zip(starts, [*ends, pixels.size], strict=True)]
    return {"size": list(mask.shape), "counts": _pack(counts)}


def _unpack(text: str) -> list[int]:
    counts: list[int] = []
    value, shift = 0, 0
    for character in text:
        chunk = ord(character) - 48
        if not 0 <= chunk < 64 or shift > 30:
            raise ValueError(f"invalid character {character!r} in compressed RLE counts")
        value |= (chunk & 31) << shift
        shift += 5
        if not chunk & 32:  # the last five bits of this count; the highest of them is the sign
            value -= (chunk & 16) << (shift - 4)
            counts.append(value + counts[-2] if len(counts) > 2 else value)
            value, shift = 0, 0
    if shift:
        raise ValueError("compressed RLE counts end inside a count")
    return counts


def _pack(counts: Sequence[int]) -> str:
    text = []
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        while not -16 <= value < 16:
            text.append(chr((value & 31 | 32) + 48))
            value >>= 5
        text.append(chr((value & 31) + 48))
    return "".join(text)
