"""Which part of its object a head looks at, in one word, so that heads can be named and ordered."""

from typing import Literal, TypeAlias, get_args

import numpy as np

from condetr.explain.evidence import Box, HeadMaps, Map, Point

Region: TypeAlias = Literal["left", "top", "right", "bottom", "middle", "spread"]
REGIONS: tuple[Region, ...] = get_args(Region)  # clockwise, then what is no side
_MIDDLE = 0.15  # of a side of the box, around its center
_SPREAD = 0.5  # of all cells: weights over more than that are not about a place


def center_of(weights: Map, cell: tuple[float, float]) -> Point:
    """The mean place that the weights lie at, in pixels of the image."""
    rows, columns = (np.arange(count) + 0.5 for count in weights.shape)
    return float(weights.sum(0) @ columns * cell[1]), float(weights.sum(1) @ rows * cell[0])


def region_of(weights: Map, box: Box, cell: tuple[float, float]) -> Region:
    """The side of the box towards which the mean place lies; "spread" where there is no such place."""
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
    """One a head."""
    return tuple(region_of(weights, box, cell) for weights in maps)


def ordered(regions: tuple[Region, ...]) -> list[int]:
    """The numbers of the heads, those that look at the same part side by side."""
    return sorted(range(len(regions)), key=lambda head: REGIONS.index(regions[head]))


def _attended_cells(weights: Map) -> float:
    """How many equal weights would be as undecided: the exponential of the entropy."""
    some = weights[weights > 0].astype(np.float64)
    return float(np.exp(-(some * np.log(some)).sum()))
