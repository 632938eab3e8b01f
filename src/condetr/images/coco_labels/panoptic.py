"""COCO panoptic annotations of one image as labels, one object a segment of its PNG."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from condetr.core.errors import AnnotationError
from condetr.images.coco_labels.detection import (
    Labels,
    annotation_name,
    category_of,
    id_of,
    integers,
    number_of,
    required,
)
from condetr.images.masks.segment_png import segment_numbers
from condetr.images.sizes import HeightWidth


def panoptic_labels(
    annotation: Mapping[str, Any], size: HeightWidth, masks_path: str | os.PathLike[str], *, masks: bool = True
) -> Labels:
    """Labels with boxes (x1, y1, x2, y2) in pixels of the image, one a segment.

    A box reaches to the center of the last pixel, not to its edge, as in the authors' code.

    Args:
        annotation: ``{"image_id" or "id", "file_name", "segments_info": [{"id", "category_id", ...}]}``.
        size: (height, width) of the image.
        masks_path: the folder that holds ``file_name``, which must stay inside.
        masks: whether to add the masks.

    Raises:
        AnnotationError: something missing, of the wrong kind or contradicting the PNG, named by segment id.
        ImageError: the PNG cannot be read.
    """
    whole = "the annotation of an image"
    image_id = id_of(annotation, "image_id" if "image_id" in annotation else "id", whole)
    path = path_inside(Path(masks_path), required(annotation, "file_name", whole))
    segments = segment_numbers(path)
    if segments.shape != size:
        reason = f"is {tuple(segments.shape)} (height, width), expected the image's {size}"
        raise AnnotationError(reason, source=path, item="file_name")
    infos = required(annotation, "segments_info", whole)
    named = [(one, annotation_name(one, i).replace("annotation", "segment")) for i, one in enumerate(infos)]
    ids = torch.cat([torch.zeros(0, dtype=torch.int64), *(id_of(one, "id", name) for one, name in named)])
    each = segments == ids[:, None, None]
    for (_, name), found in zip(named, each.flatten(1).any(1).tolist(), strict=True):
        if not found:
            raise AnnotationError("has no pixel", source=path, item=name)
    pixels = each.flatten(1).sum(1).tolist()
    labels = {
        "image_id": image_id,
        "class_labels": integers([category_of(one, name) for one, name in named]),
        "boxes": boxes_of_masks(each),
        "area": torch.tensor(
            [
                number_of({"area": one.get("area", count)}, "area", name)
                for (one, name), count in zip(named, pixels, strict=True)
            ],
            dtype=torch.float32,
        ),
        "iscrowd": integers([int(bool(one.get("iscrowd", 0))) for one, _ in named]),
        "size": integers(size),
        "orig_size": integers(size),
    }
    return labels | ({"masks": each} if masks else {})


def path_inside(root: Path, name: object) -> Path:
    """The file ``name`` of the folder ``root``.

    Raises:
        AnnotationError: it is no name, or lies outside of the folder.
    """
    if not isinstance(name, str) or not name or "\0" in name:
        raise AnnotationError(f"is {name!r}, expected a file name", item="file_name")
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()):
        raise AnnotationError(f"{name} lies outside of the folder {root}; not allowed", item="file_name")
    return path


def boxes_of_masks(masks: Bool[Tensor, "objects height width"]) -> Float[Tensor, "objects 4"]:
    """First and last column and row of each mask, as (x1, y1, x2, y2)."""
    columns, rows = masks.any(1), masks.any(2)
    (left, right), (top, bottom) = _ends(columns), _ends(rows)
    return torch.stack((left, top, right, bottom), dim=1).float()


def _ends(occupied: Bool[Tensor, "objects places"]) -> tuple[Int64[Tensor, "objects"], Int64[Tensor, "objects"]]:
    if not len(occupied):
        return integers([]), integers([])
    places = occupied.shape[1]
    return occupied.int().argmax(1), places - 1 - occupied.flip(1).int().argmax(1)
