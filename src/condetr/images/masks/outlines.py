"""The outlines of a mask as polygons, along the edges of its pixels: the inverse of ``polygons.py``.

COCO's rule changes between inside and outside wherever an outline crosses the center of a column. A line that is
followed there and back changes nothing, so that holes and separate parts can be joined to one polygon by such lines.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float64, Int
from scipy import ndimage
from torch import Tensor

_Loop: TypeAlias = Float64[np.ndarray, "_points 2"]
_TURNS = {(1, 0): (0, 1), (0, 1): (-1, 0), (-1, 0): (0, -1), (0, -1): (1, 0)}  # to the right, y down


def polygons_of_mask(mask: Bool[Tensor, "height width"], *, tolerance: float | int = 0) -> list[list[float]]:
    """One polygon x1, y1, x2, y2, ... for each part whose pixels share edges; holes are joined to it.

    Args:
        mask: pixels of an object; none of them give no polygon.
        tolerance: pixels by which an outline may miss the edges of the mask (Douglas and Peucker); 0: exact, so that
            ``mask_of_polygons`` gives the same mask.
    """
    pixels = mask.cpu().numpy()
    parts, _ = ndimage.label(pixels)
    outer: dict[int, _Loop] = {}
    holes: defaultdict[int, list[_Loop]] = defaultdict(list)
    for part, loop in _loops_of(pixels, parts):
        if _area_of(loop) > 0:
            outer[part] = _simplified(loop, tolerance)
        else:
            holes[part].append(_simplified(loop, tolerance))
    return [_joined([loop, *holes[part]]).ravel().tolist() for part, loop in sorted(outer.items())]


def one_polygon(polygons: Sequence[Sequence[float | int]]) -> list[float]:
    """The polygons joined to one, for formats that have one for each object; it covers the same pixels."""
    return _joined([np.array(polygon, dtype=np.float64).reshape(-1, 2) for polygon in polygons]).ravel().tolist()


def _loops_of(
    pixels: Bool[np.ndarray, "height width"], parts: Int[np.ndarray, "height width"]
) -> list[tuple[int, _Loop]]:
    """Closed outlines with the mask to the right, their corners only, each with its part."""
    inside = np.pad(pixels, 1)
    starts: defaultdict[tuple[int, int], dict[tuple[int, int], int]] = defaultdict(dict)
    for (dy, dx), (x, y), step in (
        ((-1, 0), (0, 0), (1, 0)),
        ((0, 1), (1, 0), (0, 1)),
        ((1, 0), (1, 1), (-1, 0)),
        ((0, -1), (0, 1), (0, -1)),
    ):
        beyond = inside[1 + dy : inside.shape[0] - 1 + dy, 1 + dx : inside.shape[1] - 1 + dx]
        rows, columns = np.nonzero(pixels & ~beyond)
        for row, column, part in zip(rows.tolist(), columns.tolist(), parts[rows, columns].tolist(), strict=True):
            starts[column + x, row + y][step] = part
    loops = []
    for start in list(starts):
        while starts[start]:
            step, part = next(iter(starts[start].items()))
            loops.append((part, _followed(starts, start, step)))
    return loops


def _followed(
    starts: dict[tuple[int, int], dict[tuple[int, int], int]], start: tuple[int, int], step: tuple[int, int]
) -> _Loop:
    """Follow an outline and remove it; where two touch at a corner, turn right, which stays in the same part."""
    corners: list[tuple[int, int]] = []
    at, came, first, alone = start, None, step, len(starts[start]) == 1
    while True:
        del starts[at][step]
        if step != came:
            corners.append(at)
        at, came = (at[0] + step[0], at[1] + step[1]), step
        if at == start and (alone or _TURNS[came] == first):
            break
        ways = starts[at]
        step = _TURNS[came] if _TURNS[came] in ways else next(iter(ways))
    if came == first:
        corners = corners[1:]  # it begins within a straight edge
    return np.array(corners, dtype=np.float64)


def _area_of(loop: _Loop) -> float:
    x, y = loop.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def _simplified(loop: _Loop, tolerance: float | int) -> _Loop:
    """With fewer corners, none of those left out further than the tolerance from the new outline."""
    if tolerance <= 0 or len(loop) <= 4:
        return loop
    far = int(((loop - loop[0]) ** 2).sum(axis=1).argmax())
    closed = np.vstack([loop, loop[:1]])
    keep = np.zeros(len(closed), dtype=bool)
    keep[[0, far, len(loop)]] = True
    waiting = [(0, far), (far, len(loop))]
    while waiting:
        first, last = waiting.pop()
        if last - first < 2:
            continue
        distances = _distances(closed[first + 1 : last], closed[first], closed[last])
        worst = int(distances.argmax())
        if distances[worst] > tolerance:
            middle = first + 1 + worst
            keep[middle] = True
            waiting += [(first, middle), (middle, last)]
    simple = closed[:-1][keep[:-1]]
    return simple if len(simple) > 2 and _area_of(simple) * _area_of(loop) > 0 else loop


def _distances(points: _Loop, start: Float64[np.ndarray, "2"], end: Float64[np.ndarray, "2"]) -> np.ndarray:
    """From a segment."""
    along = end - start
    length = float((along**2).sum())
    share = ((points - start) @ along / length).clip(0, 1) if length else np.zeros(len(points))
    return np.sqrt(((points - start - share[:, None] * along) ** 2).sum(axis=1))


def _joined(loops: Sequence[_Loop]) -> _Loop:
    """All loops in one, each reached from the nearest corner of those before and left the same way."""
    whole, *others = loops
    for loop in others:
        distances = ((whole[:, None] - loop) ** 2).sum(axis=2)
        near, begin = divmod(int(distances.argmin()), len(loop))
        whole = np.vstack([whole[: near + 1], np.roll(loop, -begin, axis=0), loop[begin : begin + 1], whole[near:]])
    return whole
