"""What people draw around objects, as a box and, where the shape has one, an outline."""

import base64
import binascii
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool

from condetr.core.errors import ImageError
from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, Location
from condetr.data.checks.problems import ProblemKind
from condetr.images.coco_labels.fields import FieldError, SegmentationError
from condetr.images.decoding.decode import decode_as_stored
from condetr.images.sizes import HeightWidth

Point: TypeAlias = tuple[float, float]
_ELLIPSE = 64  # corners of the polygon that stands for one


@dataclass(frozen=True, slots=True)
class Shape:
    """One object.

    Attributes:
        name: of its class.
        corners: x1, y1, x2, y2 in pixels, perhaps outside of the image.
        segmentation: COCO polygons or RLE; None where only the box is known.
        crowd: whether it is a group.
        marks: truncated, occluded, difficult.
    """

    name: str
    corners: tuple[float, float, float, float]
    segmentation: Any = None
    crowd: bool = False
    marks: tuple[str, ...] = ()


def box_around(points: Sequence[Point]) -> tuple[float, float, float, float]:
    """x1, y1, x2, y2 around points; not finite where one of them is not.

    Raises:
        FieldError: there is none.
    """
    if not points:
        raise FieldError("has no points")
    xs, ys = zip(*points, strict=True)
    if not all(map(math.isfinite, (*xs, *ys))):
        return (math.nan,) * 4
    return min(xs), min(ys), max(xs), max(ys)


def polygon_of(points: Iterable[Point]) -> list[list[float]]:
    """One polygon, as COCO writes it."""
    return [[side for point in points for side in point]]


def turned_rectangle(x: float, y: float, width: float, height: float, degrees: float, center: Point) -> list[Point]:
    """The corners of a rectangle that is turned clockwise around ``center``."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
    offsets = [(across - center[0], down - center[1]) for across, down in corners]
    return [(center[0] + a * cosine - d * sine, center[1] + a * sine + d * cosine) for a, d in offsets]


def outlined(name: str, points: Sequence[Point], location: Location, *, kind: ProblemKind | None = None) -> Shape:
    """The shape of a polygon; that its box is used is reported, as an outline or as ``kind``."""
    location.add(kind or ProblemKind.BOX_OF_OUTLINE, f"is an outline of {len(points)} points, whose box is used")
    return Shape(name, box_around(points), polygon_of(points))


def oriented(name: str, points: Sequence[Point], location: Location) -> Shape:
    """The shape of a box that is not upright."""
    return outlined(name, points, location, kind=ProblemKind.ORIENTED_BOX)


def joined(shapes: Sequence[Shape]) -> Shape:
    """The parts of one object as one."""
    corners = [corner for shape in shapes for corner in (shape.corners[:2], shape.corners[2:])]
    polygons = [polygon for shape in shapes if isinstance(shape.segmentation, list) for polygon in shape.segmentation]
    whole = all(isinstance(shape.segmentation, list) for shape in shapes)
    return Shape(shapes[0].name, box_around(corners), polygons if whole else None)


def ellipse(name: str, center: Point, radii: Point, degrees: float, location: Location) -> Shape:
    """The shape of an ellipse that is turned clockwise."""
    (x, y), (across, down) = center, radii
    if not all(map(math.isfinite, (x, y, across, down, degrees))):
        raise DataProblem(ProblemKind.NOT_FINITE_BOX, "is an ellipse that is not finite")
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    half = math.hypot(across * cosine, down * sine), math.hypot(across * sine, down * cosine)
    angles = (2 * math.pi * step / _ELLIPSE for step in range(_ELLIPSE))
    sides = ((across * math.cos(angle), down * math.sin(angle)) for angle in angles)
    points = [(x + a * cosine - d * sine, y + a * sine + d * cosine) for a, d in sides]
    location.add(ProblemKind.BOX_OF_OUTLINE, "is an ellipse, whose box is used")
    return Shape(name, (x - half[0], y - half[1], x + half[0], y + half[1]), polygon_of(points))


def painted(name: str, patch: Bool[np.ndarray, "rows columns"], left: int, top: int, size: HeightWidth) -> Shape:
    """The shape of pixels; ``left`` and ``top`` are those of the patch in an image of this (height, width).

    Raises:
        SegmentationError: none of them is in the image.
    """
    height, width = size
    inside = patch[max(-top, 0) : max(height - top, 0), max(-left, 0) : max(width - left, 0)]
    columns, rows = np.nonzero(inside.T)
    if not columns.size:
        raise SegmentationError("has a mask without a pixel in the image")
    columns, rows = columns + max(left, 0), rows + max(top, 0)
    pixels = columns.astype(np.int64) * height + rows
    breaks = np.flatnonzero(np.diff(pixels) > 1)
    starts, ends = pixels[np.append(0, breaks + 1)], pixels[np.append(breaks, -1)] + 1
    bounds = np.stack([starts, ends], axis=1).ravel()
    counts = np.diff(bounds, prepend=0, append=height * width).tolist()
    corners = float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1)
    return Shape(name, corners, {"size": list(size), "counts": counts})


def patch_of_png(content: bytes, what: str) -> Bool[np.ndarray, "rows columns"]:
    """The pixels of a mask that is stored as an image: those that are not black or, if it has alpha, not transparent.

    Raises:
        SegmentationError: it is no image.
    """
    try:
        image = decode_as_stored(content)
    except ImageError as error:
        raise SegmentationError(f"has a {what} that cannot be read: {error.reason}") from error
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    planes = np.asarray(image.getchannel("A") if "A" in image.getbands() else image)
    return np.asarray(planes.reshape(*planes.shape[:2], -1).any(axis=2))


def bytes_of_base64(text: object, what: str) -> bytes:
    """The bytes of base64 text, perhaps behind ``data:image/png;base64,``.

    Raises:
        SegmentationError: it is none.
    """
    if not isinstance(text, str):
        raise SegmentationError(f"has a {what} {short_repr(text)}, expected base64 text")
    try:
        return base64.b64decode(text.partition(",")[2] if text.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SegmentationError(f"has a {what} that is no base64: {error}") from error
