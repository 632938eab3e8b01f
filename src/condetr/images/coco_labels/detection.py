"""COCO detection annotations of one image as training labels.

Crowds are left out, boxes are clipped to the image, boxes that are then empty are left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from condetr.core.errors import AnnotationError
from condetr.images.coco_labels.fields import (
    FieldError,
    SegmentationError,
    box_of,
    mapping_of,
    number_of,
    required,
    whole_number,
)
from condetr.images.coco_labels.segmentation import mask_of_segmentation
from condetr.images.sizes import HeightWidth

Labels: TypeAlias = dict[str, Tensor]
WHOLE = "the annotation of an image"  # item of errors


def detection_labels(annotation: Mapping[str, Any], size: HeightWidth, *, masks: bool = False) -> Labels:
    """Labels with boxes (x1, y1, x2, y2) in pixels of the image.

    Args:
        annotation: ``{"image_id", "annotations": [{"bbox" (x, y, w, h), "category_id", "area", ...}]}``.
        size: (height, width) of the image.
        masks: whether to add the masks of ``segmentation``.

    Raises:
        AnnotationError: something missing, of the wrong kind or contradicting the image, named by annotation id.
    """
    with errors_of(WHOLE):
        records = required(annotation, "annotations")
    if isinstance(records, str) or not isinstance(records, Sequence):
        raise AnnotationError(f"is {type(records).__name__}, expected a list of objects", item="annotations")
    objects = [(record, name_of(record, i, "annotation")) for i, record in enumerate(records)]
    objects = [(record, name) for record, name in objects if not record.get("iscrowd", 0)]
    corners = torch.tensor([_corners(*each, size) for each in objects], dtype=torch.float32).reshape(-1, 4)
    keep = (corners[:, 2:] > corners[:, :2]).all(1)
    objects = [each for each, kept in zip(objects, keep.tolist(), strict=True) if kept]
    with errors_of(WHOLE):
        image_id = whole_number(annotation, "image_id")
    labels = {
        "image_id": integers([image_id]),
        "class_labels": integers([category_of(*each) for each in objects]),
        "boxes": corners[keep],
        "area": torch.tensor([_area(*each) for each in objects], dtype=torch.float32),
        "iscrowd": torch.zeros(len(objects), dtype=torch.int64),
        "size": integers(size),
        "orig_size": integers(size),
    }
    if any("keypoints" in record for record, _ in objects):
        labels["keypoints"] = _keypoints(objects)
    if masks:
        planes = torch.zeros((len(objects), *size), dtype=torch.bool)
        for plane, (record, name) in zip(planes, objects, strict=True):
            with errors_of(name):
                plane.copy_(mask_of_segmentation(required(record, "segmentation"), size))
        labels["masks"] = planes
    return labels


@contextmanager
def errors_of(item: str) -> Iterator[None]:
    """Raise what is wrong with a field as an `AnnotationError` about ``item``."""
    try:
        yield
    except (FieldError, SegmentationError) as error:
        raise AnnotationError(str(error), item=item) from None


def name_of(record: object, position: int, kind: str) -> str:
    """What errors call an annotation or segment: by its id, else by its position."""
    with errors_of(f"{kind} {position}"):
        return f"{kind} {mapping_of(record).get('id', position)}"


def category_of(record: Mapping[str, Any], name: str) -> int:
    with errors_of(name):
        return whole_number(record, "category_id", least=0)


def integers(numbers: Sequence[int]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.int64)


def _corners(record: Mapping[str, Any], name: str, size: HeightWidth) -> list[float]:
    with errors_of(name):
        x, y, width, height = box_of(record)
    bottom, right = size
    xs, ys = (x, x + width), (y, y + height)
    (x1, x2), (y1, y2) = ([min(max(at, 0.0), float(end)) for at in ats] for ats, end in ((xs, right), (ys, bottom)))
    return [x1, y1, x2, y2]


def _area(record: Mapping[str, Any], name: str) -> float:
    with errors_of(name):
        if record.get("area") is None:  # many exports leave it out
            _, _, width, height = box_of(record)
            return width * height
        return number_of(record["area"], "area")


def _keypoints(objects: Sequence[tuple[Mapping[str, Any], str]]) -> Float[Tensor, "objects points 3"]:
    """(x, y, visibility) of every object, in pixels of the original image.

    Objects with fewer points are filled up with 0, 0, 0, as COCO writes a point without a label.
    """
    points = []
    for record, name in objects:
        keypoints = record.get("keypoints", [])
        with errors_of(name):
            if isinstance(keypoints, str) or not isinstance(keypoints, Sequence) or len(keypoints) % 3:
                raise FieldError("has keypoints that are no list of x, y, visibility")
            points.append([number_of(number, "keypoints") for number in keypoints])
    most = max(map(len, points))
    padded = [numbers + [0.0] * (most - len(numbers)) for numbers in points]
    return torch.tensor(padded, dtype=torch.float32).reshape(len(points), most // 3, 3)
