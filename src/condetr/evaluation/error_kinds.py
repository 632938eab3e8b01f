"""How many errors of each TIDE kind there are, and how much AP each kind costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from condetr.evaluation.arrays import Flags, GroundTruth, PredictedObjects
from condetr.evaluation.coco_ap import ap50
from condetr.evaluation.tide import ERRORS, NOTHING, POSITIVE, Kind, Matches

_NEAR_HITS = (Kind.CLASSIFICATION, Kind.LOCALISATION)


@dataclass(frozen=True)
class Errors:
    """By kind of error; see `tide`.

    Attributes:
        counts: among detections that score above ``threshold``.
        costs: by how much AP50 would rise if all errors of this kind, at any score, were repaired: the class or box
            of one detection per object corrected, other wrong detections and missed objects removed.
        objects: crowds excluded.
        hits: objects with a hit above ``threshold``.
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


def counts_of(matches: Matches) -> dict[str, int]:
    counts = {kind: int((matches.kinds == kind).sum()) for kind in ERRORS}
    counts[Kind.MISSED] = int(matches.missed.sum())
    return {kind.word: number for kind, number in counts.items()}


def costs_of(
    truth: GroundTruth, predicted: PredictedObjects, matches: Matches, *, images: int, classes: int
) -> dict[str, float]:
    """The AP50 that each kind costs; matches of all detections."""
    before = ap50(truth, predicted, images=images, classes=classes)
    repaired = {kind.word: _repaired(truth, predicted, matches, kind) for kind in ERRORS}
    after = {word: ap50(*both, images=images, classes=classes) for word, both in repaired.items()}
    return {word: round(value - before, 9) for word, value in after.items()}


def _repaired(
    truth: GroundTruth, predicted: PredictedObjects, matches: Matches, kind: Kind
) -> tuple[GroundTruth, PredictedObjects]:
    if kind is Kind.MISSED:
        return truth.where(~matches.missed), predicted
    wrong = matches.kinds == kind
    if kind not in _NEAR_HITS:
        return truth, predicted.where(~wrong)
    repairable = wrong & _best_at_their_object(predicted, matches)
    labels, boxes, about = predicted.labels.copy(), predicted.boxes.copy(), matches.about[repairable]
    labels[repairable] = truth.labels[about]
    if kind is Kind.LOCALISATION:
        boxes[repairable] = truth.boxes[about]
    return truth, PredictedObjects(predicted.images, labels, boxes, predicted.scores).where(repairable | ~wrong)


def _best_at_their_object(predicted: PredictedObjects, matches: Matches) -> Flags:
    """The best near hit of each object without a hit; repairing the others would make duplicates."""
    rows = np.flatnonzero(np.isin(matches.kinds, _NEAR_HITS))
    rows = rows[~matches.hit[matches.about[rows]]]
    rows = rows[np.argsort(-predicted.scores[rows], kind="stable")]
    _, first = np.unique(matches.about[rows], return_index=True)
    flags = np.zeros(len(predicted), dtype=bool)
    flags[rows[first]] = True
    return flags
