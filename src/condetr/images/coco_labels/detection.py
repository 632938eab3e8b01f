"""COCO detection annotations of one image as the labels a model learns from.

Crowds are left out, boxes are clipped to the image, boxes that are then empty are left out.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from condetr.core.errors import AnnotationError
from condetr.images.masks.polygons import mask_of_polygons
from condetr.images.masks.rle import mask_of_rle
from condetr.images.sizes import HeightWidth

Labels: TypeAlias = dict[str, Tensor]


def detection_labels(annotation: Mapping[str, Any], size: HeightWidth, *, masks: bool = False) -> Labels:
    """Labels with boxes (x1, y1, x2, y2) in pixels of the image.

    Args:
        annotation: ``{"image_id", "annotations": [{"bbox" (x, y, w, h), "category_id", "area", ...}]}``.
        size: (height, width) of the image.
        masks: whether to add the masks of ``segmentation``.

    Raises:
        AnnotationError: something missing, of the wrong kind or contradicting the image, named by annotation id.
    """
    objects = required(annotation, "annotations", "the annotation of an image")
    if isinstance(objects, str) or not isinstance(objects, Sequence):
        raise AnnotationError(f"is {type(objects).__name__}, expected a list of objects", item="annotations")
    named = [(one, annotation_name(one, i)) for i, one in enumerate(objects)]
    named = [(one, name) for one, name in named if not one.get("iscrowd", 0)]
    corners = torch.tensor([_corners(one, name, size) for one, name in named], dtype=torch.float32).reshape(-1, 4)
    keep = (corners[:, 2:] > corners[:, :2]).all(1)
    named = [one for one, kept in zip(named, keep.tolist(), strict=True) if kept]
    labels = {
        "image_id": id_of(annotation, "image_id", "the annotation of an image"),
        "class_labels": integers([category_of(one, name) for one, name in named]),
        "boxes": corners[keep],
        "area": torch.tensor([_area(one, name) for one, name in named], dtype=torch.float32),
        "iscrowd": torch.zeros(len(named), dtype=torch.int64),
        "size": integers(size),
        "orig_size": integers(size),
    }
    if any("keypoints" in one for one, _ in named):
        labels["keypoints"] = _keypoints(named)
    if masks:
        each = [_mask(one, name, size) for one, name in named]
        labels["masks"] = torch.stack(each) if each else torch.zeros((0, *size), dtype=torch.bool)
    return labels


def annotation_name(one: object, position: int) -> str:
    if not isinstance(one, Mapping):
        raise AnnotationError(f"is {type(one).__name__}, expected an object", item=f"annotation {position}")
    return f"annotation {one.get('id', position)}"


def required(mapping: Mapping[str, Any], field: str, item: str) -> Any:
    if field not in mapping:
        raise AnnotationError(f"has no {field}", item=item)
    return mapping[field]


def id_of(mapping: Mapping[str, Any], field: str, item: str) -> Tensor:
    given = required(mapping, field, item)
    if isinstance(given, bool) or not isinstance(given, int) or not -(2**63) <= given < 2**63:
        raise AnnotationError(f"has {field} {given!r}, expected a whole number of 64 bits", item=item)
    return integers([given])


def category_of(one: Mapping[str, Any], name: str) -> int:
    category = required(one, "category_id", name)
    if isinstance(category, bool) or not isinstance(category, int) or not 0 <= category < 2**63:
        raise AnnotationError(f"has category_id {category!r}, expected a whole number of at least 0", item=name)
    return category


def number_of(one: Mapping[str, Any], field: str, name: str) -> float:
    given = one[field]
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise AnnotationError(f"has {field} {given!r}, expected a finite number", item=name)
    return float(given)


def integers(numbers: Sequence[int]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.int64)


def _box(one: Mapping[str, Any], name: str) -> list[float]:
    box = required(one, "bbox", name)
    if isinstance(box, str) or not isinstance(box, Sequence) or len(box) != 4:
        raise AnnotationError(f"has bbox {box!r}, expected 4 numbers x, y, width, height", item=name)
    return [number_of({"bbox": number}, "bbox", name) for number in box]


def _corners(one: Mapping[str, Any], name: str, size: HeightWidth) -> list[float]:
    x, y, width, height = _box(one, name)
    bottom, right = size
    xs, ys = (x, x + width), (y, y + height)
    (x1, x2), (y1, y2) = ([min(max(at, 0.0), float(end)) for at in ats] for ats, end in ((xs, right), (ys, bottom)))
    return [x1, y1, x2, y2]


def _area(one: Mapping[str, Any], name: str) -> float:
    if one.get("area") is None:  # many exports leave it out
        _, _, width, height = _box(one, name)
        return width * height
    return number_of(one, "area", name)


def _keypoints(named: Sequence[tuple[Mapping[str, Any], str]]) -> Float[Tensor, "objects points 3"]:
    """(x, y, visibility) of every object, in pixels of the given image; 0, 0, 0 where an object has fewer points.

    That is how COCO writes a point that nobody labeled.
    """
    points = []
    for one, name in named:
        given = one.get("keypoints", [])
        if isinstance(given, str) or not isinstance(given, Sequence) or len(given) % 3:
            raise AnnotationError("has keypoints that are no list of x, y, visibility", item=name)
        points.append([number_of({"keypoints": number}, "keypoints", name) for number in given])
    most = max(map(len, points))
    padded = [numbers + [0.0] * (most - len(numbers)) for numbers in points]
    return torch.tensor(padded, dtype=torch.float32).reshape(len(points), most // 3, 3)


def _mask(one: Mapping[str, Any], name: str, size: HeightWidth) -> Bool[Tensor, "height width"]:
    given = required(one, "segmentation", name)
    try:
        if isinstance(given, Mapping):
            return mask_of_rle(given, size)
        if isinstance(given, list | tuple):
            return mask_of_polygons(given, size)
    except ValueError as error:
        raise AnnotationError(f"has an unusable segmentation: {error}", item=name) from None
    raise AnnotationError(f"has a segmentation of type {type(given).__name__}, expected polygons or RLE", item=name)
