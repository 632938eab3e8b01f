"""The confusion matrix of classes and background.

Not `hotcoco.COCOeval.confusion_matrix`: there a better score of another class takes an object from a detection of its
own class (`benchmarks/hotcoco_study.py`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from condetr.evaluation.arrays import GroundTruth, PredictedObjects
from condetr.evaluation.tide import POSITIVE, Kind, Matches


@dataclass(frozen=True)
class Confusion:
    """Counts of objects and of detections that score above a threshold, paired at an IoU of 0.5.

    Attributes:
        names: of the classes.
        matrix: a row for every true class and a column for every predicted one, background the last of both. Every
            object counts in one column: that of its class where it has a hit, else that of the best detection of
            another class that overlaps it and hits nothing, else background.
    """

    names: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]
    threshold: float

    def to_dict(self) -> dict[str, Any]:
        matrix = [list(row) for row in self.matrix]
        return {"names": list(self.names), "iou": POSITIVE, "threshold": self.threshold, "matrix": matrix}


def confusion_of(
    truth: GroundTruth, predicted: PredictedObjects, matches: Matches, names: tuple[str, ...], *, threshold: float
) -> Confusion:
    """Of detections above ``threshold`` and their matches."""
    hits, mistaken = matches.kinds == Kind.HIT, matches.mistaken >= 0
    alone = ~hits & ~mistaken & (matches.kinds != Kind.IGNORED)
    missed = ~matches.hit & ~truth.crowd
    missed[matches.mistaken[mistaken]] = False
    background, extent = len(names), len(names) + 1
    pairs = (
        (predicted.labels[hits], predicted.labels[hits]),
        (truth.labels[matches.mistaken[mistaken]], predicted.labels[mistaken]),
        (np.full(alone.sum(), background), predicted.labels[alone]),
        (truth.labels[missed], np.full(missed.sum(), background)),
    )
    rows, columns = (np.concatenate(column) for column in zip(*pairs, strict=True))
    matrix = np.bincount(rows * extent + columns, minlength=extent**2).reshape(extent, extent)
    return Confusion(names, tuple(tuple(row) for row in matrix.tolist()), threshold)
