"""Demo scenes: handwritten digits of many sizes on paper, and marks that are no digits and have no label.

Scene i of a split depends on (seed, split, i) alone, and no split shares handwriting with another. A detector of
half a million weights learns them in minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from condetr.data.classes import Classes
from condetr.data.glyphs import DemoSplit, glyphs_of
from condetr.data.ink import handwritten, scribbled, written
from condetr.data.paper import Pixels, paper
from condetr.data.records import Box

SIDE = 96
DIGITS = Classes.named("0123456789")
_MOST_DIGITS = 6
_TRIES = 20  # places that are looked at for a digit before it is left out
_MOST_OVERLAP = 0.1  # of the smaller of two boxes
_SPLIT_NUMBERS: dict[DemoSplit, int] = {"train": 0, "val": 1, "test": 2}


@dataclass(frozen=True, slots=True)
class Scene:
    """An RGB picture with the boxes (x1, y1, x2, y2 in pixels) and labels of its digits."""

    picture: Image.Image
    boxes: tuple[Box, ...]
    labels: tuple[int, ...]


def scene(index: int, *, split: DemoSplit = "train", seed: int = 0, side: int = SIDE) -> Scene:
    """Scene ``index`` of an endless split."""
    rng = np.random.default_rng([seed, _SPLIT_NUMBERS[split], index])
    glyphs, digits = glyphs_of(split)
    pixels = scribbled(rng, paper(rng, side), glyphs)
    boxes: list[Box] = []
    labels: list[int] = []
    for _ in range(int(rng.integers(1, _MOST_DIGITS + 1))):
        chosen = int(rng.integers(len(glyphs)))
        ink = handwritten(rng, glyphs[chosen])
        box = _free_place(rng, ink.shape, boxes, side)
        if box is not None:
            pixels = written(rng, pixels, ink, int(box[0]), int(box[1]))
            boxes.append(box)
            labels.append(int(digits[chosen]))
    return Scene(_photographed(rng, pixels), tuple(boxes), tuple(labels))


def _free_place(rng: np.random.Generator, shape: tuple[int, ...], taken: Sequence[Box], side: int) -> Box | None:
    height, width = shape
    for _ in range(_TRIES):
        left, top = int(rng.integers(0, side - width + 1)), int(rng.integers(0, side - height + 1))
        box = (float(left), float(top), float(left + width), float(top + height))
        if all(_overlap(box, other) < _MOST_OVERLAP for other in taken):
            return box
    return None


def _overlap(one: Box, other: Box) -> float:
    """The shared area as a share of the smaller box."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    smaller = min((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (one, other))
    return max(across, 0.0) * max(down, 0.0) / smaller


def _photographed(rng: np.random.Generator, pixels: Pixels) -> Image.Image:
    noisy = pixels + rng.normal(0, rng.uniform(1.0, 5.0), pixels.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
