"""Regions of an image in translucent colors, each with an outline."""

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Int, UInt8
from PIL import Image

from condetr.images.drawing.colors import Color

Bits: TypeAlias = Bool[np.ndarray, "height width"]
_OPACITY = 0.45  # opacity of the color in a region; outlines are opaque


def tinted(image: Image.Image, regions: Iterable[tuple[Bits, Color]], *, line: int = 1) -> Image.Image:
    """A copy of an RGB image with regions painted over it, the last on top."""
    pixels = np.array(image)
    for inside, color in regions:
        extent = _extent(inside)
        if extent is None:
            continue
        part, bits = pixels[extent], inside[extent]
        part[bits] = (1 - _OPACITY) * part[bits] + _OPACITY * np.array(color)
        part[bits & ~_shrunk(bits, line)] = color
    return Image.fromarray(pixels)


def colored(
    image: Image.Image, numbers: Int[np.ndarray, "height width"], colors: UInt8[np.ndarray, "numbers 3"]
) -> Image.Image:
    """A copy of an RGB image tinted by segment number, with white lines between segments; 0 is not tinted."""
    pixels = np.array(image)
    some = numbers > 0
    pixels[some] = (1 - _OPACITY) * pixels[some] + _OPACITY * colors[numbers[some]]
    edge = np.zeros(numbers.shape, dtype=bool)
    edge[:, 1:] |= numbers[:, 1:] != numbers[:, :-1]
    edge[1:] |= numbers[1:] != numbers[:-1]
    pixels[edge] = 255
    return Image.fromarray(pixels)


def _extent(inside: Bits) -> tuple[slice, slice] | None:
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)) if len(rows) else None


def _shrunk(bits: Bits, by: int) -> Bits:
    for _ in range(by):
        padded = np.pad(bits, 1)
        bits = bits & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return bits
