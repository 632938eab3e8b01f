"""The part of the object that a head attends, in one word, to name and order the heads."""

from typing import Literal, TypeAlias, get_args

import numpy as np

from condetr.explain.evidence import Box, HeadMaps, Map, Point

Region: TypeAlias = Literal["left", "top", "right", "bottom", "middle", "spread"]
REGIONS: tuple[Region, ...] = get_args(Region)  # clockwise, then those that are no side
_MIDDLE = 0.15  # of a side of the box, around its center
_SPREAD = 0.5  # of all cells: weights over more than that have no location


def center_of(weights: Map, cell: tuple[float, float]) -> Point:
    """The mean position of the weights, in pixels of the image."""
    rows, columns = (np.arange(count) + 0.5 for count in weights.shape)
    return float(weights.sum(0) @ columns * cell[1]), float(weights.sum(1) @ rows * cell[0])


def region_of(weights: Map, box: Box, cell: tuple[float, float]) -> Region:
    """The side of the box towards the mean position; "spread" where the weights have no location."""
    if _attended_cells(weights) > _SPREAD * weights.size:
        return "spread"
    x, y = center_of(weights, cell)
    x1, y1, x2, y2 = box
    across, down = ((x - x1) / max(x2 - x1, 1e-6) - 0.5, (y - y1) / max(y2 - y1, 1e-6) - 0.5)
    if max(abs(across), abs(down)) < _MIDDLE:
        return "middle"
    if abs(across) > abs(down):
        return "right" if across > 0 else "left"
    return "bottom" if down > 0 else "top"


def regions_of(maps: HeadMaps, box: Box, cell: tuple[float, float]) -> tuple[Region, ...]:
    """One per head."""
    return tuple(region_of(weights, box, cell) for weights in maps)


def ordered(regions: tuple[Region, ...]) -> list[int]:
    """The indices of the heads, those of the same region side by side."""
    return sorted(range(len(regions)), key=lambda head: REGIONS.index(regions[head]))


def _attended_cells(weights: Map) -> float:
    """The effective number of cells: the exponential of the entropy."""
    positive = weights[weights > 0].astype(np.float64)
    return float(np.exp(-(positive * np.log(positive)).sum()))
