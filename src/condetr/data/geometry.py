"""Boxes as label files give them, made to lie inside their image, or left out in words."""

import math
from collections.abc import Sequence

from condetr.data.checks.data_report import Fault, Place, shown
from condetr.data.checks.problems import Reason
from condetr.data.records import Annotated, Box
from condetr.images.sizes import HeightWidth

_DECIMALS = 0.02  # pixels that a box sticks out by when its numbers are written with two decimals
_ROUNDING = 1.0  # pixels that a box may stick out by without anybody having meant it
_LEAST_INSIDE = 0.01  # of a box's area; with less in the image, it is of another image or a mistake


def box_inside(corners: Sequence[float], size: HeightWidth, place: Place, *, given: object) -> Box:
    """The part of x1, y1, x2, y2 that lies in an image of this (height, width), as ``given`` in the source.

    Raises:
        Fault: it is not finite, has no area, or lies outside.
    """
    x1, y1, x2, y2 = corners
    height, width = size
    if 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height:  # as nearly all do
        return (float(x1), float(y1), float(x2), float(y2))
    if not all(map(math.isfinite, corners)):
        raise Fault(Reason.NOT_FINITE_BOX, f"bbox {shown(given)} is not finite: inf or nan")
    if x1 >= x2 or y1 >= y2:
        raise Fault(Reason.EMPTY_BOX, f"bbox {shown(given)} has no area: {x2 - x1:g} wide and {y2 - y1:g} high")
    clipped = max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
    across, down = clipped[2] - clipped[0], clipped[3] - clipped[1]
    if across <= 0 or down <= 0 or across / (x2 - x1) * (down / (y2 - y1)) < _LEAST_INSIDE:
        raise Fault(Reason.OUTSIDE_BOX, f"bbox {shown(given)} lies outside of the image of {width}x{height}")
    out = max(abs(now - then) for now, then in zip(clipped, corners, strict=True))
    if out < _DECIMALS:
        return clipped
    reason = Reason.ROUNDED_BOX if out < _ROUNDING else Reason.CLIPPED_BOX
    place.add(reason, f"bbox {shown(given)} sticks out of the image of {width}x{height} by {out:.4g} pixels")
    return clipped


def annotated_as(corners: Sequence[float], box: Box) -> Annotated | None:
    """The whole of a box that was clipped, for AP to compare with."""
    x1, y1, x2, y2 = corners
    return None if box == (x1, y1, x2, y2) else Annotated(x1, y1, x2 - x1, y2 - y1, (x2 - x1) * (y2 - y1))
