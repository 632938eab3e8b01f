"""The pixels that a polygon covers, exactly as in COCO's own tools.

Their rule: follow the outline at five times the resolution; wherever it crosses the center of a pixel column,
everything below changes between inside and outside. COCO's areas and masks were made this way, so agreement matters
more than smoothness.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from condetr.images.sizes import HeightWidth

_FINER, _CENTER = 5, 2  # fine steps to a pixel; the last of them before its center
_LONGEST_OUTLINE = 10_000_000  # fine steps; a point a million pixels outside the image is an error
_NUMBERS = {int, float}
_Steps: TypeAlias = Int64[np.ndarray, "crossings"]
_Slopes: TypeAlias = Float64[np.ndarray, "crossings"]


def mask_of_polygons(polygons: Sequence[Any], size: HeightWidth) -> Bool[Tensor, "height width"]:
    """The union of polygons, each given as x1, y1, x2, y2, ...

    Raises:
        ValueError: no polygon, fewer than three points, or unusable coordinates.
    """
    covered = np.zeros(size, dtype=bool)
    for points in _checked(polygons):
        _cover(covered, points)
    return torch.from_numpy(covered)


def check_polygons(polygons: Sequence[Any]) -> None:
    """The checks of `mask_of_polygons`, without a mask.

    Raises:
        ValueError: as `mask_of_polygons`.
    """
    for _ in _checked(polygons):
        pass


def _checked(polygons: Sequence[Any]) -> Iterator[Float64[np.ndarray, "points 2"]]:
    if not polygons:
        raise ValueError("no polygon")
    return map(_points_of, polygons)


def _points_of(polygon: Any) -> Float64[np.ndarray, "points 2"]:
    if not isinstance(polygon, list | tuple) or len(polygon) < 6 or len(polygon) % 2:
        raise ValueError("a polygon must be a list x1, y1, x2, y2, ... of at least three points")
    if not (set(map(type, polygon)) <= _NUMBERS or all(isinstance(coordinate, int | float) for coordinate in polygon)):
        raise ValueError("a polygon has a coordinate that is not a number")
    points = np.array(polygon, dtype=np.float64).reshape(-1, 2)
    furthest = float(np.abs(points).max())
    if not math.isfinite(furthest):
        raise ValueError("a polygon has a coordinate that is not finite")
    longest = 2 * furthest * len(points) * _FINER  # of the outline; few polygons need to be measured
    if longest > _LONGEST_OUTLINE and (furthest > _LONGEST_OUTLINE or _steps_of(points) > _LONGEST_OUTLINE):
        raise ValueError("a polygon has a coordinate far outside any image")
    return points


def _steps_of(points: Float64[np.ndarray, "points 2"]) -> float:
    return float(np.abs(points - np.roll(points, 1, axis=0)).max(axis=1).sum()) * _FINER


def _cover(covered: Bool[np.ndarray, "height width"], points: Float64[np.ndarray, "points 2"]) -> None:
    """Add one polygon; only the rows and columns that it reaches are changed."""
    height, width = covered.shape
    column, y = _crossings(np.trunc(_FINER * points + 0.5).astype(np.int64), width)
    if not len(column):
        return
    row = np.ceil(((y + 0.5) / _FINER - 0.5).clip(0, height)).astype(np.int64)
    left, top, right, bottom = column.min(), row.min(), column.max() + 1, row.max()
    crossings = np.sort((column - left) * (bottom - top) + row - top)  # in column order
    runs = np.diff(crossings, prepend=0, append=(right - left) * (bottom - top))
    inside = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(right - left, bottom - top)
    covered[top:bottom, left:right] |= inside.T


def _crossings(corners: Int64[np.ndarray, "points 2"], width: int) -> tuple[_Steps, _Steps]:
    """Where the closed outline crosses the center of a pixel column: the column, and the upper fine step there.

    Each edge is followed along its longer direction, always upwards, so that an edge shared by two polygons gives
    the same steps in both. Only the steps at a center are computed: from 5 column + 2 to the next.
    """
    starts, ends = corners, np.roll(corners, -1, axis=0)
    span = np.abs(ends - starts)
    wide = span[:, 0] >= span[:, 1]
    longer, edge = np.where(wide, 0, 1), np.arange(len(corners))
    backwards = starts[edge, longer] > ends[edge, longer]
    low, high = np.where(backwards[:, None], ends, starts), np.where(backwards[:, None], starts, ends)
    slope = (high - low)[edge, 1 - longer] / np.maximum(span[edge, longer], 1)
    first = np.maximum(-((_CENTER - np.minimum(low, high)[:, 0]) // _FINER), 0)
    last = np.minimum((np.maximum(low, high)[:, 0] - _CENTER - 1) // _FINER, width - 1)
    count = np.maximum(last - first + 1, 0)
    of = np.repeat(edge, count)  # the edge of each crossing
    column = np.arange(len(of)) + (first - count.cumsum() + count)[of]
    x, (low_x, low_y), slope, wide = column * _FINER + _CENTER, low[of].T, slope[of], wide[of]
    y = np.empty_like(column)
    y[wide] = _upper(x[wide] - low_x[wide], low_y[wide], slope[wide])
    tall = ~wide
    y[tall] = low_y[tall] + _last_step_before(x[tall], low_x[tall], slope[tall])
    return column, y


def _upper(step: _Steps, low: _Steps, slope: _Slopes) -> _Steps:
    """The smaller y of a step of a wide edge and the next step."""
    return np.minimum(_across(low, slope, step), _across(low, slope, step + 1))


def _last_step_before(x: _Steps, low: _Steps, slope: _Slopes) -> _Steps:
    """The last step of a tall edge before the line between ``x`` and the next column: estimated, then corrected."""
    step = np.floor((x + 0.5 - low) / slope).astype(np.int64) - 2
    for _ in range(4):
        passed = _across(low, slope, step + 1)
        step += np.where(slope > 0, passed <= x, passed > x)
    return step


def _across(low: _Steps, slope: _Slopes, step: _Steps) -> _Steps:
    """The position in the shorter direction after this many steps, rounded as in COCO's tools."""
    return np.trunc(low + slope * step + 0.5).astype(np.int64)
