"""COCO's average precision of masks: the same counting as of boxes, by the IoU of pixels."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import hotcoco
import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from condetr.data.object_masks import object_masks
from condetr.data.records import Dataset, Example, Object
from condetr.evaluation.arrays import Found, Truth, labelled_in
from condetr.evaluation.coco_ap import Counted, counted_of
from condetr.images.coco_labels.fields import SegmentationError
from condetr.images.coco_labels.segmentation import mask_of_segmentation
from condetr.images.masks.rle import rle_of_mask
from condetr.images.sizes import HeightWidth

Runs: TypeAlias = dict[str, Any]  # one mask, as COCO's packed run lengths


def count_masks(
    dataset: Dataset, truth: Truth, found: Found, masks: Sequence[Sequence[Runs]], *, boxed: bool = True
) -> Counted:
    """Match detections to objects by their pixels.

    Args:
        dataset: read with masks.
        truth: its columns.
        found: what was found.
        masks: one a detection of each image.
        boxed: whether a detection is as large as its box, as pycocotools has it for results with boxes, or as its mask.

    Raises:
        AnnotationError: the data set was read without masks.
    """
    images = [
        {"id": number, "height": example.size[0], "width": example.size[1]}
        for number, example in enumerate(dataset, start=1)
    ]
    categories = [{"id": label + 1, "name": str(label)} for label in range(len(dataset.classes))]
    true: list[Runs | list[list[float]]] = [runs for example in dataset for runs in _true_masks(example)]
    objects = hotcoco.COCO.from_arrays(
        images,
        categories,
        truth.images + 1,
        truth.labels + 1,
        truth.boxes,
        area=truth.areas,
        iscrowd=truth.crowd.astype(np.int64),
        segmentation=true,
    )
    columns = ((found.images + 1).tolist(), (found.labels + 1).tolist(), found.scores.tolist(), found.boxes.tolist())
    each = (runs for of_image in masks for runs in of_image)
    rows = [
        {"image_id": number, "category_id": category, "score": score, "segmentation": runs}
        | ({"bbox": box} if boxed else {})
        for number, category, score, box, runs in zip(*columns, each, strict=True)
    ]
    if not rows:
        return counted_of(objects, objects.load_res(np.zeros((0, 7))), "bbox")
    return counted_of(objects, objects.load_res(rows), "segm")


def _true_masks(example: Example) -> list[Runs]:
    everything = labelled_in(example)
    usual = iter(object_masks(example, [one.object for one in everything if not one.lost]))
    masks = (_mask_of_lost(one.object, example.size) if one.lost else next(usual) for one in everything)
    return [rle_of_mask(mask) for mask in masks]


def _mask_of_lost(one: Object, size: HeightWidth) -> Bool[Tensor, "height width"]:
    """No pixel, where there is no usable outline either."""
    try:
        return mask_of_segmentation(one.segmentation, size)
    except SegmentationError:
        return torch.zeros(size, dtype=torch.bool)
