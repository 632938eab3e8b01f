"""Boxes of label files, clipped to their image, or left out for a stated reason."""

import math
from collections.abc import Sequence

from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.records import Annotated, Box
from condetr.images.sizes import HeightWidth

_DECIMALS = 0.02  # pixels by which a box sticks out because its numbers are written with two decimals
_ROUNDING = 1.0  # pixels by which rounding alone may make a box stick out
_LEAST_INSIDE = 0.01  # of a box's area; with less in the image, the box is a mistake or belongs to another image


def clip_box(corners: Sequence[float], size: HeightWidth, location: Location, *, stated: object) -> Box:
    """The part of x1, y1, x2, y2 that lies in an image of this (height, width).

    Args:
        corners: of the box.
        size: of the image.
        location: where clipping is reported.
        stated: the box as the source writes it, for messages.

    Raises:
        DataProblem: it is not finite, has no area, or lies outside.
    """
    x1, y1, x2, y2 = corners
    height, width = size
    if 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height:  # nearly all boxes
        return (float(x1), float(y1), float(x2), float(y2))
    if not all(map(math.isfinite, corners)):
        raise DataProblem(ProblemKind.NOT_FINITE_BOX, f"bbox {short_repr(stated)} is not finite: inf or nan")
    if x1 >= x2 or y1 >= y2:
        message = f"bbox {short_repr(stated)} has no area: {x2 - x1:g} wide and {y2 - y1:g} high"
        raise DataProblem(ProblemKind.EMPTY_BOX, message)
    clipped = max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
    across, down = clipped[2] - clipped[0], clipped[3] - clipped[1]
    if across <= 0 or down <= 0 or across / (x2 - x1) * (down / (y2 - y1)) < _LEAST_INSIDE:
        message = f"bbox {short_repr(stated)} lies outside of the image of {width}x{height}"
        raise DataProblem(ProblemKind.OUTSIDE_BOX, message)
    out = max(abs(now - then) for now, then in zip(clipped, corners, strict=True))
    if out < _DECIMALS:
        return clipped
    kind = ProblemKind.ROUNDED_BOX if out < _ROUNDING else ProblemKind.CLIPPED_BOX
    location.add(kind, f"bbox {short_repr(stated)} sticks out of the image of {width}x{height} by {out:.4g} pixels")
    return clipped


def unclipped(corners: Sequence[float], box: Box) -> Annotated | None:
    """The whole of a box that was clipped, for AP to compare with; None if it was not."""
    x1, y1, x2, y2 = corners
    return None if box == (x1, y1, x2, y2) else Annotated(x1, y1, x2 - x1, y2 - y1, (x2 - x1) * (y2 - y1))
