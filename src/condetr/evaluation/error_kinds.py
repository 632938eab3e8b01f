"""How often a detector errs in which way, and how much AP each way costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from condetr.evaluation.arrays import Flags, Found, Truth
from condetr.evaluation.coco_ap import ap50
from condetr.evaluation.tide import ERRORS, NOTHING, POSITIVE, Kind, Matches

_NEARLY = (Kind.CLASSIFICATION, Kind.LOCALISATION)


@dataclass(frozen=True)
class Errors:
    """By kind of error; ``judgement`` defines them.

    Attributes:
        counts: among detections that score above ``threshold``.
        costs: by how much AP50 would rise if all errors of this kind, whatever their score, were repaired: the class
            or box of one detection an object put right, other wrong detections and missed objects taken away.
        objects: to be found.
        hits: of them found above ``threshold``.
    """

    counts: Mapping[str, int]
    costs: Mapping[str, float]
    objects: int
    hits: int
    threshold: float

    def to_dict(self) -> dict[str, Any]:
        ious = {"iou": POSITIVE, "background_iou": NOTHING}
        shares = {"threshold": self.threshold, "objects": self.objects, "hits": self.hits}
        return {**ious, **shares, "counts": dict(self.counts), "costs": dict(self.costs)}


def counts_of(judged: Matches) -> dict[str, int]:
    counts = {kind: int((judged.kinds == kind).sum()) for kind in ERRORS}
    counts[Kind.MISSED] = int(judged.missed.sum())
    return {kind.word: number for kind, number in counts.items()}


def costs_of(truth: Truth, found: Found, judged: Matches, *, images: int, classes: int) -> dict[str, float]:
    """What each kind costs in AP50, of all detections and their judgement."""
    before = ap50(truth, found, images=images, classes=classes)
    repaired = {kind.word: _repaired(truth, found, judged, kind) for kind in ERRORS}
    after = {word: ap50(*both, images=images, classes=classes) for word, both in repaired.items()}
    return {word: round(value - before, 9) for word, value in after.items()}


def _repaired(truth: Truth, found: Found, judged: Matches, kind: Kind) -> tuple[Truth, Found]:
    if kind is Kind.MISSED:
        return truth.where(~judged.missed), found
    wrong = judged.kinds == kind
    if kind not in _NEARLY:
        return truth, found.where(~wrong)
    repairable = wrong & _best_at_their_object(found, judged)
    labels, boxes, about = found.labels.copy(), found.boxes.copy(), judged.about[repairable]
    labels[repairable] = truth.labels[about]
    if kind is Kind.LOCALISATION:
        boxes[repairable] = truth.boxes[about]
    return truth, Found(found.images, labels, boxes, found.scores).where(repairable | ~wrong)


def _best_at_their_object(found: Found, judged: Matches) -> Flags:
    """Where nothing hits an object, the best of what nearly does; to repair the others would make duplicates."""
    rows = np.flatnonzero(np.isin(judged.kinds, _NEARLY))
    rows = rows[~judged.hit[judged.about[rows]]]
    rows = rows[np.argsort(-found.scores[rows], kind="stable")]
    _, first = np.unique(judged.about[rows], return_index=True)
    flags = np.zeros(len(found), dtype=bool)
    flags[rows[first]] = True
    return flags
