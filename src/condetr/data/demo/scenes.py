"""Demo scenes: handwritten digits of many sizes on paper, and marks that are no digits and have no label.

Scene i of a split depends on (seed, split, i) alone, and no split shares handwriting with another. A detector of
half a million parameters can be trained on them in minutes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Int8
from PIL import Image

from condetr.data.classes import Classes
from condetr.data.demo.glyphs import DemoSplit, glyphs_of
from condetr.data.demo.ink import VISIBLE, handwritten, scribbled, written
from condetr.data.demo.paper import Pixels, paper
from condetr.data.records import Box

SIDE = 96
DIGITS = Classes.named("0123456789")
PAPER, INK, CLUTTER = 10, 11, 12  # labels of stuff: the sheet, blots and pieces of digits, pencil marks
STUFF = Classes((*DIGITS.names, "paper", "ink", "clutter"), tuple(range(13)), stuff=(PAPER, INK, CLUTTER))
_MOST_DIGITS = 6
_TRIES = 20  # random positions that are tried for a digit before it is left out
_MOST_OVERLAP = 0.1  # of the smaller of two boxes
_DARKER = 10  # levels by which a mark must darken the paper to be seen
_SPLIT_NUMBERS: dict[DemoSplit, int] = {"train": 0, "val": 1, "test": 2}
_NO_DIGIT = -1

Plane: TypeAlias = Int8[np.ndarray, "height width"]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """An RGB image and its labels.

    Attributes:
        boxes: of the digits, x1, y1, x2, y2 in pixels.
        labels: of the digits.
        owners: the index of the digit at each pixel, the upper one where two cross; -1 for none.
        stuff: the label of paper, ink or clutter at each pixel, below the digits.
    """

    image: Image.Image
    boxes: tuple[Box, ...]
    labels: tuple[int, ...]
    owners: Plane
    stuff: Plane


def scene(index: int, *, split: DemoSplit = "train", seed: int = 0, side: int = SIDE) -> Scene:
    """Scene ``index`` of an endless split."""
    rng = np.random.default_rng([seed, _SPLIT_NUMBERS[split], index])
    glyphs, digits = glyphs_of(split)
    pixels = paper(rng, side)
    stuff = np.full((side, side), PAPER, dtype=np.int8)
    for marked, is_ink in scribbled(rng, pixels, glyphs):
        stuff[(pixels - marked).max(axis=2) > _DARKER] = INK if is_ink else CLUTTER
        pixels = marked
    boxes: list[Box] = []
    labels: list[int] = []
    owners = np.full((side, side), _NO_DIGIT, dtype=np.int8)
    for _ in range(int(rng.integers(1, _MOST_DIGITS + 1))):
        chosen = int(rng.integers(len(glyphs)))
        ink = handwritten(rng, glyphs[chosen])
        box = _free_box(rng, ink.shape, boxes, side)
        if box is not None:
            left, top = int(box[0]), int(box[1])
            pixels = written(rng, pixels, ink, left, top)
            owners[top : top + ink.shape[0], left : left + ink.shape[1]][ink > VISIBLE] = len(boxes)
            boxes.append(box)
            labels.append(int(digits[chosen]))
    return Scene(_photographed(rng, pixels), tuple(boxes), tuple(labels), owners, stuff)


def _free_box(rng: np.random.Generator, shape: tuple[int, ...], taken: Sequence[Box], side: int) -> Box | None:
    height, width = shape
    for _ in range(_TRIES):
        left, top = int(rng.integers(0, side - width + 1)), int(rng.integers(0, side - height + 1))
        box = (float(left), float(top), float(left + width), float(top + height))
        if all(_overlap(box, other) < _MOST_OVERLAP for other in taken):
            return box
    return None


def _overlap(first: Box, second: Box) -> float:
    """The shared area as a share of the smaller box."""
    across = min(first[2], second[2]) - max(first[0], second[0])
    down = min(first[3], second[3]) - max(first[1], second[1])
    smaller = min((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (first, second))
    return max(across, 0.0) * max(down, 0.0) / smaller


def _photographed(rng: np.random.Generator, pixels: Pixels) -> Image.Image:
    noisy = pixels + rng.normal(0, rng.uniform(1.0, 5.0), pixels.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
