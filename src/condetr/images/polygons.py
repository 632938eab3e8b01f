"""Which pixels a polygon covers, exactly as COCO's own tools decide.

Their rule: walk the outline at five times the resolution; wherever it passes the centre of a column of pixels,
everything from that height downwards changes sides. COCO's areas and masks were made by it, so to agree is
worth more than to be rounder.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from condetr.images.sizes import HeightWidth

_FINER = 5
_LONGEST_OUTLINE = 10_000_000  # fine steps; a point a million pixels outside the picture is a mistake


def mask_of_polygons(polygons: Sequence[Any], size: HeightWidth) -> Bool[Tensor, "height width"]:
    """The union of polygons, each given as x1, y1, x2, y2, ...

    Raises:
        ValueError: no polygon, fewer than three points, or coordinates that are no usable numbers.
    """
    if not polygons:
        raise ValueError("no polygon")
    covered = np.zeros(size[0] * size[1], dtype=bool)
    for polygon in polygons:
        covered |= _covered(_points_of(polygon), size)
    return torch.from_numpy(covered.reshape(size, order="F").copy())


def _points_of(polygon: Any) -> Float64[np.ndarray, "points 2"]:
    if not isinstance(polygon, list | tuple) or len(polygon) < 6 or len(polygon) % 2:
        raise ValueError("a polygon is a list of x1, y1, x2, y2, ... of at least three points")
    if not all(isinstance(coordinate, int | float) for coordinate in polygon):
        raise ValueError("a polygon with a coordinate that is no number")
    points = np.array(polygon, dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(points).all():
        raise ValueError("a polygon with a coordinate that is not finite")
    steps = np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum() * _FINER
    if steps > _LONGEST_OUTLINE or np.abs(points).max() > _LONGEST_OUTLINE:
        raise ValueError("a polygon with a coordinate far outside of any picture")
    return points


def _covered(points: Float64[np.ndarray, "points 2"], size: HeightWidth) -> Bool[np.ndarray, "pixels"]:
    """Bits of the picture in column order."""
    height, width = size
    x, y = _outline(np.trunc(_FINER * points + 0.5).astype(np.int64))
    turns = np.flatnonzero(x[1:] != x[:-1]) + 1  # the outline moves sideways here
    column = (np.minimum(x[turns], x[turns - 1]) + 0.5) / _FINER - 0.5
    at_centre = (np.floor(column) == column) & (column >= 0) & (column <= width - 1)
    row = (np.minimum(y[turns], y[turns - 1])[at_centre] + 0.5) / _FINER - 0.5
    first = np.ceil(row.clip(0, height)).astype(np.int64)
    changes = np.bincount(column[at_centre].astype(np.int64) * height + first, minlength=height * width)
    return changes[: height * width].cumsum() % 2 == 1


def _outline(corners: Int64[np.ndarray, "points 2"]) -> tuple[Int64[np.ndarray, "steps"], Int64[np.ndarray, "steps"]]:
    """Every fine step along the closed outline, corners twice.

    Each edge is stepped along its longer direction, always upwards, so that a shared edge of two polygons gives
    the same steps in both.
    """
    starts, ends = corners, np.roll(corners, -1, axis=0)
    span = np.abs(ends - starts)
    wide = span[:, 0] >= span[:, 1]
    longer = np.where(wide, 0, 1)
    edge = np.arange(len(corners))
    backwards = starts[edge, longer] > ends[edge, longer]
    low, high = np.where(backwards[:, None], ends, starts), np.where(backwards[:, None], starts, ends)
    count = span[edge, longer] + 1
    slope = (high - low)[edge, 1 - longer] / np.maximum(count - 1, 1)
    of = np.repeat(edge, count)  # which edge each step belongs to
    step = np.arange(len(of)) - np.repeat(count.cumsum() - count, count)
    step = np.where(backwards[of], count[of] - 1 - step, step)
    along = low[of, longer[of]] + step
    across = np.trunc(low[of, 1 - longer[of]] + slope[of] * step + 0.5).astype(np.int64)
    return np.where(wide[of], along, across), np.where(wide[of], across, along)
