"""COCO's average precision and recall (https://cocodataset.org/#detection-eval), counted by hotcoco.

Precision is read at 101 recalls, for IoUs of 0.5, 0.55, ... 0.95, and averaged over them and over the classes that
have objects. Crowds are neither to be found nor wrong to be found. At most 100 detections of an image count.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import hotcoco
import numpy as np
from jaxtyping import Float64

from condetr.evaluation.arrays import Found, Truth

IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
RECALLS = tuple(round(0.01 * step, 2) for step in range(101))
MOST_DETECTIONS = 100  # of an image; COCO's
_DIGITS = 9  # that are told: the last of 17 are rounding, and a perfect detector has 1, not 0.9999999999999998
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
class Counted:
    """What the averages are made from; -1 for classes without objects.

    Attributes:
        precision: best precision at each recall or beyond it.
        recall: highest recall that is reached.
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


def count(truth: Truth, found: Found, *, images: int, classes: int) -> Counted:
    """Match detections to objects at every IoU, and count."""
    # Numbered from 1: tools that descend from pycocotools take 0 for "none".
    records = [{"id": number} for number in range(1, images + 1)]
    categories = [{"id": number, "name": str(number)} for number in range(1, classes + 1)]
    objects = hotcoco.COCO.from_arrays(
        records,
        categories,
        truth.images + 1,
        truth.labels + 1,
        truth.boxes,
        area=truth.areas,
        iscrowd=truth.crowd.astype(np.int64),
    )
    rows = np.column_stack((found.images + 1, found.boxes, found.scores, found.labels + 1))
    return counted_of(objects, objects.load_res(rows), "bbox")


def counted_of(objects: hotcoco.COCO, found: hotcoco.COCO, kind: Literal["bbox", "segm"]) -> Counted:
    matched = hotcoco.COCOeval(objects, found, kind)
    matched.evaluate()
    matched.accumulate()
    counted = matched.eval or {}
    return Counted(counted["precision"], counted["recall"], counted["scores"])


def ap50(truth: Truth, found: Found, *, images: int, classes: int) -> float:
    """0 where there are no objects."""
    return count(truth, found, images=images, classes=classes).ap(0.5) or 0.0


def averages_of(counted: Counted) -> Averages:
    """The twelve numbers; there must be an object."""
    return Averages(
        ap=counted.ap() or 0.0,
        ap50=counted.ap(0.5) or 0.0,
        ap75=counted.ap(0.75) or 0.0,
        ap_small=counted.ap(size="small"),
        ap_medium=counted.ap(size="medium"),
        ap_large=counted.ap(size="large"),
        ar1=counted.ar(most=_FIRST) or 0.0,
        ar10=counted.ar(most=_TEN) or 0.0,
        ar100=counted.ar() or 0.0,
        ar_small=counted.ar(size="small"),
        ar_medium=counted.ar(size="medium"),
        ar_large=counted.ar(size="large"),
    )


def _mean(values: np.ndarray) -> float | None:
    known = values[values > -1]
    return round(float(known.mean()), _DIGITS) if known.size else None
