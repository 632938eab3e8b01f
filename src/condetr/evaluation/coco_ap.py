"""COCO's average precision and recall of boxes and masks (https://cocodataset.org/#detection-eval), by hotcoco.

Precision is read at 101 recalls, for IoUs of 0.5, 0.55, ... 0.95, and averaged over them and over the classes that
have objects. Crowds are ignored, and so are detections in them. At most 100 detections of an image count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import hotcoco
import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from condetr.data.object_masks import object_masks
from condetr.data.records import Dataset, Example, Object
from condetr.evaluation.arrays import GroundTruth, PredictedObjects, labeled_in
from condetr.images.coco_labels.fields import SegmentationError
from condetr.images.coco_labels.segmentation import mask_of_segmentation
from condetr.images.masks.rle import rle_of_mask
from condetr.images.sizes import HeightWidth

Rle: TypeAlias = dict[str, Any]  # one mask, as COCO's compressed run lengths

IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
RECALLS = tuple(round(0.01 * step, 2) for step in range(101))
MOST_DETECTIONS = 100  # of an image; COCO's
_DIGITS = 9  # reported: the last of 17 are rounding, and a perfect detector has 1, not 0.9999999999999998
_FIRST, _TEN, _ALL = 0, 1, 2  # of the axis `most`: the best detection of an image, the best ten, all
_SIZES: Mapping[str, int] = {"all": 0, "small": 1, "medium": 2, "large": 3}  # of the axis `sizes`


@dataclass(frozen=True, kw_only=True)
class Averages:
    """COCO's twelve numbers, in [0, 1]; None where there are no objects of that size.

    Attributes:
        ap: average precision over all IoUs, 0.5 to 0.95.
        ap50: at an IoU of 0.5; likewise ap75.
        ap_small: of objects below 32x32 pixels; medium below 96x96; likewise below.
        ar100: average recall with 100 detections an image; likewise with the best one and ten.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    ar1: float
    ar10: float
    ar100: float
    ar_small: float | None
    ar_medium: float | None
    ar_large: float | None


@dataclass(frozen=True, eq=False)
class Accumulated:
    """COCOeval's arrays, from which the averages are computed; -1 for classes without objects.

    Attributes:
        precision: the highest at each recall or beyond it.
        recall: the highest that is reached.
        scores: of the detection at which a recall is reached.
    """

    precision: Float64[np.ndarray, "ious recalls classes sizes most"]
    recall: Float64[np.ndarray, "ious classes sizes most"]
    scores: Float64[np.ndarray, "ious recalls classes sizes most"]

    def ap(self, iou: float | None = None, label: int | None = None, size: str = "all") -> float | None:
        ious = slice(None) if iou is None else [IOUS.index(iou)]
        labels = slice(None) if label is None else [label]
        return _mean(self.precision[ious][:, :, labels, _SIZES[size], _ALL])

    def ar(self, label: int | None = None, size: str = "all", most: int = _ALL) -> float | None:
        labels = slice(None) if label is None else [label]
        return _mean(self.recall[:, labels, _SIZES[size], most])


def accumulate(truth: GroundTruth, predicted: PredictedObjects, *, images: int, classes: int) -> Accumulated:
    """Match boxes to objects at every IoU."""
    objects = _objects(truth, [{} for _ in range(images)], classes)
    rows = np.column_stack((predicted.images + 1, predicted.boxes, predicted.scores, predicted.labels + 1))
    return _accumulated(objects, objects.load_res(rows), "bbox")


def accumulate_masks(
    dataset: Dataset,
    truth: GroundTruth,
    predicted: PredictedObjects,
    masks: Sequence[Sequence[Rle]],
    *,
    boxed: bool = True,
) -> Accumulated:
    """Match masks to objects at every IoU, which is of pixels.

    Args:
        dataset: read with masks.
        truth: its annotations.
        predicted: the detections.
        masks: one for each detection of each image.
        boxed: whether the area of a detection is that of its box, as in pycocotools for results with boxes, or of its
            mask.

    Raises:
        AnnotationError: the dataset was read without masks.
    """
    sizes = [{"height": height, "width": width} for height, width in dataset.columns.sizes.tolist()]
    true_masks: list[Rle | list[list[float]]] = [rle for example in dataset for rle in _true_masks(example)]
    objects = _objects(truth, sizes, len(dataset.classes), true_masks)
    columns = (
        (predicted.images + 1).tolist(),
        (predicted.labels + 1).tolist(),
        predicted.scores.tolist(),
        predicted.boxes.tolist(),
        (rle for of_image in masks for rle in of_image),
    )
    rows = [
        {"image_id": number, "category_id": category, "score": score, "segmentation": rle}
        | ({"bbox": box} if boxed else {})
        for number, category, score, box, rle in zip(*columns, strict=True)
    ]
    if not rows:
        return _accumulated(objects, objects.load_res(np.zeros((0, 7))), "bbox")
    return _accumulated(objects, objects.load_res(rows), "segm")


def _objects(
    truth: GroundTruth,
    sizes: Sequence[dict[str, int]],
    classes: int,
    masks: list[Rle | list[list[float]]] | None = None,
) -> hotcoco.COCO:
    """Numbered from 1: tools that descend from pycocotools take 0 for "none"."""
    return hotcoco.COCO.from_arrays(
        [{"id": number, **size} for number, size in enumerate(sizes, start=1)],
        [{"id": number, "name": str(number)} for number in range(1, classes + 1)],
        truth.images + 1,
        truth.labels + 1,
        truth.boxes,
        area=truth.areas,
        iscrowd=truth.crowd.astype(np.int64),
        segmentation=masks,
    )


def _accumulated(objects: hotcoco.COCO, results: hotcoco.COCO, kind: Literal["bbox", "segm"]) -> Accumulated:
    evaluation = hotcoco.COCOeval(objects, results, kind)
    evaluation.evaluate()
    evaluation.accumulate()
    values = evaluation.eval or {}
    return Accumulated(values["precision"], values["recall"], values["scores"])


def ap50(truth: GroundTruth, predicted: PredictedObjects, *, images: int, classes: int) -> float:
    """0 where there are no objects."""
    return accumulate(truth, predicted, images=images, classes=classes).ap(0.5) or 0.0


def averages_of(accumulated: Accumulated) -> Averages:
    """COCO's twelve numbers; there must be at least one object."""
    return Averages(
        ap=accumulated.ap() or 0.0,
        ap50=accumulated.ap(0.5) or 0.0,
        ap75=accumulated.ap(0.75) or 0.0,
        ap_small=accumulated.ap(size="small"),
        ap_medium=accumulated.ap(size="medium"),
        ap_large=accumulated.ap(size="large"),
        ar1=accumulated.ar(most=_FIRST) or 0.0,
        ar10=accumulated.ar(most=_TEN) or 0.0,
        ar100=accumulated.ar() or 0.0,
        ar_small=accumulated.ar(size="small"),
        ar_medium=accumulated.ar(size="medium"),
        ar_large=accumulated.ar(size="large"),
    )


def _mean(values: np.ndarray) -> float | None:
    values = values[values > -1]
    return round(float(values.mean()), _DIGITS) if values.size else None


def _true_masks(example: Example) -> list[Rle]:
    everything = labeled_in(example)
    kept = iter(object_masks(example, [labeled.object for labeled in everything if not labeled.lost]))
    masks = (_mask_of_lost(each.object, example.size) if each.lost else next(kept) for each in everything)
    return [rle_of_mask(mask) for mask in masks]


def _mask_of_lost(lost: Object, size: HeightWidth) -> Bool[Tensor, "height width"]:
    """Empty where the outline is unusable."""
    try:
        return mask_of_segmentation(lost.segmentation, size)
    except SegmentationError:
        return torch.zeros(size, dtype=torch.bool)
