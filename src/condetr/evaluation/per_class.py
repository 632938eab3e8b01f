"""AP, recall and the best operating point of each class."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from condetr.evaluation.arrays import GroundTruth, PredictedObjects
from condetr.evaluation.coco_ap import Accumulated
from condetr.evaluation.curves import curves_of


@dataclass(frozen=True, kw_only=True)
class ClassResult:
    """Of one class; values that need an object, or a hit, are None without one.

    Attributes:
        objects: crowds excluded.
        detections: at any score.
        ap: COCO's average precision; ap50 and ap75 at one IoU; by size of the objects.
        ar: average recall with 100 detections per image.
        threshold: the lowest score to keep for the highest F1 score at an IoU of 0.5.
        precision: at that threshold; likewise recall.
    """

    objects: int
    detections: int
    ap: float | None
    ap50: float | None
    ap75: float | None
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    ar: float | None
    threshold: float | None
    precision: float | None
    recall: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def per_class(
    accumulated: Accumulated, truth: GroundTruth, predicted: PredictedObjects, names: tuple[str, ...]
) -> dict[str, ClassResult]:
    objects = np.bincount(truth.labels[~truth.crowd], minlength=len(names)).tolist()
    detections = np.bincount(predicted.labels, minlength=len(names)).tolist()
    curves = curves_of(accumulated, names).by_class
    results = {}
    for label, name in enumerate(names):
        best = curves[name].best_point() if name in curves else None
        results[name] = ClassResult(
            objects=objects[label],
            detections=detections[label],
            ap=accumulated.ap(label=label),
            ap50=accumulated.ap(0.5, label),
            ap75=accumulated.ap(0.75, label),
            ap_small=accumulated.ap(label=label, size="small"),
            ap_medium=accumulated.ap(label=label, size="medium"),
            ap_large=accumulated.ap(label=label, size="large"),
            ar=accumulated.ar(label),
            **dict(zip(("precision", "recall", "threshold"), best or (None, None, None), strict=True)),
        )
    return results
