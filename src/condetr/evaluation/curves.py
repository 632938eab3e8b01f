"""Precision over recall at an IoU of 0.5, and the best F1 of each class; `hotcoco.COCOeval.f_scores` has only means."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from condetr.evaluation.coco_ap import IOUS, RECALLS, Accumulated

IOU = 0.5


@dataclass(frozen=True)
class Curve:
    """At COCO's 101 recalls.

    Attributes:
        precision: the highest at this recall or beyond it; 0 where the recall is not reached.
        scores: of the detection that reaches the recall; 0 where none does.
    """

    precision: tuple[float, ...]
    scores: tuple[float, ...]

    def best_point(self) -> tuple[float, float, float] | None:
        """Precision, recall and score at the highest F1 score; None without a hit."""
        precision, recall = np.array(self.precision), np.array(RECALLS)
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
        best = int(f1.argmax())
        return (self.precision[best], RECALLS[best], self.scores[best]) if f1[best] else None


@dataclass(frozen=True)
class Curves:
    """One for every class that has objects, by name."""

    by_class: dict[str, Curve]

    def mean_precision(self) -> tuple[float, ...]:
        """Over the classes, at each recall; 0 without a class."""
        if not self.by_class:
            return (0.0,) * len(RECALLS)
        return tuple(np.mean([curve.precision for curve in self.by_class.values()], axis=0).tolist())

    def to_dict(self) -> dict[str, Any]:
        precision = {name: list(curve.precision) for name, curve in self.by_class.items()}
        scores = {name: list(curve.scores) for name, curve in self.by_class.items()}
        return {"iou": IOU, "recall": list(RECALLS), "precision": precision, "score": scores}


def curves_of(accumulated: Accumulated, names: tuple[str, ...]) -> Curves:
    at = IOUS.index(IOU)
    precision, scores = (values[at, :, :, 0, -1] for values in (accumulated.precision, accumulated.scores))
    labels = [label for label in range(len(names)) if precision[0, label] > -1]
    return Curves(
        {
            names[label]: Curve(tuple(precision[:, label].round(9).tolist()), tuple(scores[:, label].tolist()))
            for label in labels
        }
    )
