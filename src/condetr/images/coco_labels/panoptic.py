"""COCO panoptic annotations of one image as training labels, one object per segment of its PNG."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from condetr.core.errors import AnnotationError
from condetr.files.inside import OutsideFolderError, path_inside
from condetr.images.coco_labels.detection import WHOLE, Labels, category_of, errors_of, integers, name_of
from condetr.images.coco_labels.fields import FieldError, file_name_of, number_of, required, whole_number
from condetr.images.masks.box import box_of_mask
from condetr.images.masks.segment_png import segment_numbers
from condetr.images.sizes import HeightWidth


def panoptic_labels(
    annotation: Mapping[str, Any], size: HeightWidth, masks_path: str | os.PathLike[str], *, masks: bool = True
) -> Labels:
    """Labels with boxes (x1, y1, x2, y2) in pixels of the image, one per segment.

    A box reaches to the center of the last pixel, not to its edge, as in the authors' code.

    Args:
        annotation: ``{"image_id" or "id", "file_name", "segments_info": [{"id", "category_id", ...}]}``.
        size: (height, width) of the image.
        masks_path: the folder that holds ``file_name``, which must stay inside, links followed.
        masks: whether to add the masks.

    Raises:
        AnnotationError: something missing, of the wrong kind or contradicting the PNG, named by segment id.
        ImageError: the PNG cannot be read.
    """
    with errors_of(WHOLE):
        image_id = whole_number(annotation, "image_id" if "image_id" in annotation else "id")
    path = _png_of(annotation, Path(masks_path))
    numbers = segment_numbers(path)
    if numbers.shape != size:
        reason = f"is {tuple(numbers.shape)} (height, width), expected the image's {size}"
        raise AnnotationError(reason, source=path, item="file_name")
    with errors_of(WHOLE):
        infos = required(annotation, "segments_info")
    segments = [(info, name_of(info, i, "segment")) for i, info in enumerate(infos)]
    ids = []
    for info, name in segments:
        with errors_of(name):
            ids.append(whole_number(info, "id"))
    planes = numbers == integers(ids)[:, None, None]
    areas = planes.flatten(1).sum(1).tolist()
    for (_, name), pixels in zip(segments, areas, strict=True):
        if not pixels:
            raise AnnotationError("has no pixel", source=path, item=name)
    boxes = torch.tensor([box_of_mask(plane) for plane in planes], dtype=torch.float32).reshape(-1, 4)
    labels = {
        "image_id": integers([image_id]),
        "class_labels": integers([category_of(*each) for each in segments]),
        "boxes": boxes - torch.tensor([0.0, 0.0, 1.0, 1.0]),
        "area": torch.tensor(
            [_area(*each, pixels) for each, pixels in zip(segments, areas, strict=True)], dtype=torch.float32
        ),
        "iscrowd": integers([int(bool(info.get("iscrowd", 0))) for info, _ in segments]),
        "size": integers(size),
        "orig_size": integers(size),
    }
    return labels | ({"masks": planes} if masks else {})


def _png_of(annotation: Mapping[str, Any], folder: Path) -> Path:
    try:
        return path_inside(folder, file_name_of(annotation), follow_links=True)
    except FieldError as error:
        raise AnnotationError(str(error), item=WHOLE) from None
    except OutsideFolderError as error:
        raise AnnotationError(str(error), item="file_name") from None


def _area(info: Mapping[str, Any], name: str, pixels: int) -> float:
    with errors_of(name):
        return number_of(info.get("area", pixels), "area")
