"""COCO's average precision of masks: the same counting as of boxes, by the IoU of pixels."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import hotcoco
import numpy as np

from condetr.data.object_masks import object_masks
from condetr.data.records import Dataset, Example
from condetr.evaluation.coco_ap import Counted, counted_of
from condetr.evaluation.columns import Truth, xywh_of
from condetr.images.detections import Detections
from condetr.images.rle import rle_of_mask

Runs: TypeAlias = dict[str, Any]  # one mask, as COCO's packed run lengths


def count_masks(
    dataset: Dataset, truth: Truth, detections: Sequence[Detections], masks: Sequence[Sequence[Runs]]
) -> Counted:
    """Match detections to objects by their pixels.

    Args:
        dataset: read with masks.
        truth: its columns.
        detections: what was found in each picture.
        masks: one a detection of each picture.

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
        truth.pictures + 1,
        truth.labels + 1,
        xywh_of(truth.boxes),
        area=truth.areas,
        iscrowd=truth.crowd.astype(np.int64),
        segmentation=true,
    )
    # Without a box, so that a detection is as large as its mask.
    rows = [
        {"image_id": number, "category_id": label + 1, "score": score, "segmentation": runs}
        for number, (one, of_picture) in enumerate(zip(detections, masks, strict=True), start=1)
        for label, score, runs in zip(one.labels.tolist(), one.scores.tolist(), of_picture, strict=True)
    ]
    if not rows:
        return counted_of(objects, objects.load_res(np.zeros((0, 7))), "bbox")
    return counted_of(objects, objects.load_res(rows), "segm")


def _true_masks(example: Example) -> list[Runs]:
    return [rle_of_mask(mask) for mask in object_masks(example, (*example.objects, *example.crowds))]
