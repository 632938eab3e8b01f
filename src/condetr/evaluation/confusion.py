"""Which class is taken for which, what is seen where nothing is, and what is not seen at all."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from condetr.evaluation.arrays import Found, Truth
from condetr.evaluation.tide import POSITIVE, Kind, Matches


@dataclass(frozen=True)
class Confusion:
    """Counts of objects and of detections that score above a threshold, paired at an IoU of 0.5.

    Attributes:
        names: of the classes.
        matrix: a row for every true class and a column for every predicted one, background the last of both. Every
            object stands in one column: that of its class where it was hit, else that of the best detection of
            another class that lies on it and hits nothing, else background.
    """

    names: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]
    threshold: float

    def to_dict(self) -> dict[str, Any]:
        matrix = [list(row) for row in self.matrix]
        return {"names": list(self.names), "iou": POSITIVE, "threshold": self.threshold, "matrix": matrix}


def confusion_of(truth: Truth, found: Found, judged: Matches, names: tuple[str, ...], *, threshold: float) -> Confusion:
    """Of what was found above ``threshold`` and its judgement."""
    hits, mistaken = judged.kinds == Kind.HIT, judged.mistaken >= 0
    alone = ~hits & ~mistaken & (judged.kinds != Kind.IGNORED)
    unseen = ~judged.hit & ~truth.crowd
    unseen[judged.mistaken[mistaken]] = False
    background, extent = len(names), len(names) + 1
    pairs = (
        (found.labels[hits], found.labels[hits]),
        (truth.labels[judged.mistaken[mistaken]], found.labels[mistaken]),
        (np.full(alone.sum(), background), found.labels[alone]),
        (truth.labels[unseen], np.full(unseen.sum(), background)),
    )
    true, predicted = (np.concatenate(column) for column in zip(*pairs, strict=True))
    matrix = np.bincount(true * extent + predicted, minlength=extent**2).reshape(extent, extent)
    return Confusion(names, tuple(tuple(row) for row in matrix.tolist()), threshold)
