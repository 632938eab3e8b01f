"""How well each class is found."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from condetr.evaluation.arrays import Found, Truth
from condetr.evaluation.coco_ap import Counted
from condetr.evaluation.curves import curves_of


@dataclass(frozen=True, kw_only=True)
class ClassResult:
    """Of one class; what needs an object, or a hit, is None without one.

    Attributes:
        objects: to be found.
        detections: at any score.
        ap: COCO's average precision; ap50 and ap75 at one IoU; by size of the objects.
        ar: average recall with 100 detections an image.
        threshold: lowest score to keep for the highest harmonic mean (F1) of precision and recall at an IoU of 0.5.
        precision: there; likewise the recall.
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


def per_class(counted: Counted, truth: Truth, found: Found, names: tuple[str, ...]) -> dict[str, ClassResult]:
    objects = np.bincount(truth.labels[~truth.crowd], minlength=len(names)).tolist()
    detections = np.bincount(found.labels, minlength=len(names)).tolist()
    curves = curves_of(counted, names).by_class
    results = {}
    for label, name in enumerate(names):
        best = curves[name].best_point() if name in curves else None
        results[name] = ClassResult(
            objects=objects[label],
            detections=detections[label],
            ap=counted.ap(label=label),
            ap50=counted.ap(0.5, label),
            ap75=counted.ap(0.75, label),
            ap_small=counted.ap(label=label, size="small"),
            ap_medium=counted.ap(label=label, size="medium"),
            ap_large=counted.ap(label=label, size="large"),
            ar=counted.ar(label),
            **dict(zip(("precision", "recall", "threshold"), best or (None, None, None), strict=True)),
        )
    return results
