"""The part of an image that a figure shows: around the object, so that small objects are visible."""

from collections.abc import Sequence
from typing import NamedTuple

from condetr.explain.evidence import Box, Point
from condetr.images.sizes import HeightWidth

_AROUND = 0.6  # of the box, at each side
_LEAST = 0.25  # of the image's sides
_ALMOST_ALL = 0.8  # of them: then all of the image is shown


class Window(NamedTuple):
    """Edges in pixels of the image."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def around(cls, box: Box, points: Sequence[Point], size: HeightWidth) -> "Window":
        """The box with a margin and all of ``points``, in the proportions of the image."""
        height, width = size
        x1, y1, x2, y2 = box
        wide, high = (x2 - x1) * _AROUND, (y2 - y1) * _AROUND
        xs, ys = [x1 - wide, x2 + wide], [y1 - high, y2 + high]
        xs += [x for x, _ in points]
        ys += [y for _, y in points]
        share = max((max(xs) - min(xs)) / width, (max(ys) - min(ys)) / height, _LEAST)
        if share > _ALMOST_ALL:
            return cls(0, 0, width, height)
        left, right = _part((max(xs) + min(xs)) / 2, share, width)
        top, bottom = _part((max(ys) + min(ys)) / 2, share, height)
        return cls(left, top, right, bottom)

    @classmethod
    def whole(cls, size: HeightWidth) -> "Window":
        return cls(0, 0, size[1], size[0])

    def scale(self, side: int) -> float:
        """The factor that makes its longer edge ``side`` pixels long."""
        return side / max(self.right - self.left, self.bottom - self.top)

    def at(self, point: Point, scale: float) -> Point:
        return (point[0] - self.left) * scale, (point[1] - self.top) * scale


def _part(middle: float, share: float, side: int) -> tuple[int, int]:
    """The first pixel, and that after the last, of a share of a side, around ``middle`` as far as it can be."""
    length = max(1, round(share * side))
    start = round(min(max(middle - share * side / 2, 0), side - length))
    return start, start + length
