"""Detections of one object in several views of an image: only the best is kept.

Every detection is compared with those that may overlap it enough, which are found in a hash table: two boxes with an
IoU of at least 1/2 differ by at most a factor of 2 in width, and their centers by at most half the width of either;
the same holds for heights.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from typing import TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from condetr.core.boxes import iou

SAME = 0.5  # IoU of two boxes of the same object; `_LEVEL` and `_cell` follow from it
_LEVEL = math.log(2.1)  # logarithm of the factor between two levels of size: more than 2, since boxes are rounded
_NEAR = (-1, 0, 1)
_Key: TypeAlias = tuple[int, int, int, int, int]  # class, levels of width and height, cells of the center in x and y


def without_duplicates(
    boxes: Float[Tensor, "detections 4"],
    scores: Float[Tensor, "detections"],
    labels: Int64[Tensor, "detections"],
    views: Int64[Tensor, "detections"],
) -> Int64[Tensor, "_kept"]:
    """Positions of the detections to keep, best first: NMS per class, but between different views only."""
    kept: list[int] = []
    table: dict[_Key, list[int]] = defaultdict(list)
    corners, classes, numbers = boxes.double().tolist(), labels.tolist(), views.tolist()
    for i in scores.argsort(descending=True, stable=True).tolist():
        x1, y1, x2, y2 = corners[i]
        if x2 <= x1 or y2 <= y1:  # it overlaps nothing
            kept.append(i)
            continue
        center, levels = ((x1 + x2) / 2, (y1 + y2) / 2), (_level(x2 - x1), _level(y2 - y1))
        near = [k for key in _near(classes[i], center, levels) for k in table.get(key, ()) if numbers[k] != numbers[i]]
        if near and (iou(boxes[i], boxes[torch.tensor(near)]) >= SAME).any():
            continue
        kept.append(i)
        table[classes[i], *levels, _cell(center[0], levels[0]), _cell(center[1], levels[1])].append(i)
    return torch.tensor(kept, dtype=torch.int64)


def _near(label: int, center: tuple[float, float], levels: tuple[int, int]) -> Iterator[_Key]:
    """The keys under which boxes with an IoU of at least `SAME` are found."""
    for dx, dy in product(_NEAR, repeat=2):
        wide, high = levels[0] + dx, levels[1] + dy
        column, row = _cell(center[0], wide), _cell(center[1], high)
        for right, down in product(_NEAR, repeat=2):
            yield label, wide, high, column + right, row + down


def _level(side: float) -> int:
    return math.floor(math.log(side) / _LEVEL)


def _cell(position: float, level: int) -> int:
    """Which cell of the level a center is in; a cell is wider than all boxes of its level."""
    return math.floor(position / math.exp(_LEVEL * (level + 1)))
