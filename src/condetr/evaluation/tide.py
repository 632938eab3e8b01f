"""Matches of detections with objects: hits, and the error kinds of TIDE (Bolya et al., ECCV 2020).

A hit is COCO's true positive: in order of scores, a detection takes the free object of its class that it overlaps
most, with an IoU of 0.5 or more. Every other detection is, tried in this order:

localisation    right class, IoU from 0.1 to 0.5
classification  IoU of 0.5 or more with an object of another class
duplicate       right class and IoU of 0.5 or more, but a better detection has the object
background      IoU below 0.1 with every object
both            the rest: another class, IoU from 0.1 to 0.5
missed          an object without a hit, on which no localisation or classification error lies

Detections in a crowd of their class are ignored.

Not `hotcoco.COCOeval.tide_errors`: it counts crowds as objects, misses the gain of repairing a class without a hit,
and does not return the match of each detection (`benchmarks/hotcoco_study.py`).
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from hotcoco.primitives import bbox_iou
from jaxtyping import Bool, Float64, Int64

from condetr.evaluation.arrays import Flags, GroundTruth, Positions, PredictedObjects

POSITIVE, NOTHING = 0.5, 0.1  # IoUs: from this on a detection is right, below that it is background


class Kind(IntEnum):
    IGNORED = 0
    HIT = 1
    CLASSIFICATION = 2
    LOCALISATION = 3
    BOTH = 4
    DUPLICATE = 5
    BACKGROUND = 6
    MISSED = 7  # of objects, never of detections

    @property
    def word(self) -> str:
        return self.name.lower()


ERRORS = tuple(kind for kind in Kind if kind > Kind.HIT)


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Of every detection and every object, in the order of their rows.

    Attributes:
        kinds: of each detection.
        about: of each detection, the object that a hit, classification, localisation or duplicate refers to; else -1.
        mistaken: of each detection, the object of another class that it would hit, each object once; else -1.
        hit: of each object, whether a detection hits it.
        missed: of each object, whether it has neither a hit nor a localisation or classification error.
    """

    kinds: Positions
    about: Positions
    mistaken: Positions
    hit: Flags
    missed: Flags


def match_detections(truth: GroundTruth, predicted: PredictedObjects) -> Matches:
    """Match the detections of every image."""
    matches = Matches(
        kinds=np.full(len(predicted), Kind.BACKGROUND, dtype=np.int64),
        about=np.full(len(predicted), -1, dtype=np.int64),
        mistaken=np.full(len(predicted), -1, dtype=np.int64),
        hit=np.zeros(len(truth), dtype=bool),
        missed=~truth.crowd,
    )
    best_first = np.lexsort((-predicted.scores, predicted.images))
    images, starts = np.unique(predicted.images[best_first], return_index=True)
    first, end = (np.searchsorted(truth.images, images, side) for side in ("left", "right"))
    for detections, *bounds in zip(np.split(best_first, starts[1:]), first, end, strict=False):
        objects = np.arange(*bounds)
        if len(objects):
            _match_image(truth, predicted, objects, detections, matches)
    return matches


def _match_image(
    truth: GroundTruth, predicted: PredictedObjects, objects: Positions, detections: Positions, matches: Matches
) -> None:
    crowd = truth.crowd[objects]
    overlaps = bbox_iou(predicted.boxes[detections], truth.boxes[objects], crowd)
    own = predicted.labels[detections][:, None] == truth.labels[objects]
    in_crowd = (own & (overlaps >= POSITIVE))[:, crowd].any(1)  # COCO: intersection over the detection's own area
    singles, ious, own = objects[~crowd], overlaps[:, ~crowd], own[:, ~crowd]
    if not len(singles):
        matches.kinds[detections[in_crowd]] = Kind.IGNORED
        return
    hits = _taken(np.where(own, ious, 0.0))
    kinds, about = _kinds(ious, own, hits, in_crowd)
    hit, nearly = np.zeros(len(singles), dtype=bool), np.zeros(len(singles), dtype=bool)
    hit[hits[hits >= 0]] = True
    nearly[about[(kinds == Kind.CLASSIFICATION) | (kinds == Kind.LOCALISATION)]] = True
    wrong = (kinds != Kind.HIT) & (kinds != Kind.IGNORED)
    mistaken = _taken(np.where(~own & ~hit & wrong[:, None], ious, 0.0))
    matches.kinds[detections] = kinds
    matches.about[detections] = np.where(about >= 0, singles[about], -1)
    matches.mistaken[detections] = np.where(mistaken >= 0, singles[mistaken], -1)
    matches.hit[singles], matches.missed[singles] = hit, ~hit & ~nearly


def _taken(ious: Float64[np.ndarray, "detections objects"]) -> Int64[np.ndarray, "detections"]:
    """The object that each detection takes, in order; -1 for none. Of equal IoUs the last, as in COCO."""
    taken, left = np.full(len(ious), -1, dtype=np.int64), ious.copy()
    for detection in np.flatnonzero((ious >= POSITIVE).any(1)):
        best = left.shape[1] - 1 - left[detection, ::-1].argmax()
        if left[detection, best] >= POSITIVE:
            taken[detection], left[:, best] = best, 0.0
    return taken


def _kinds(
    ious: Float64[np.ndarray, "detections objects"],
    own: Bool[np.ndarray, "detections objects"],
    hits: Int64[np.ndarray, "detections"],
    in_crowd: Bool[np.ndarray, "detections"],
) -> tuple[Int64[np.ndarray, "detections"], Int64[np.ndarray, "detections"]]:
    """The kind of each detection, and the object that it refers to or -1."""
    right, other = np.where(own, ious, 0.0), np.where(own, 0.0, ious)
    best, best_other = right.max(1), other.max(1)
    cases = (
        (hits >= 0, Kind.HIT, hits),
        (in_crowd, Kind.IGNORED, -1),
        ((best >= NOTHING) & (best < POSITIVE), Kind.LOCALISATION, right.argmax(1)),
        (best_other >= POSITIVE, Kind.CLASSIFICATION, other.argmax(1)),
        (best >= POSITIVE, Kind.DUPLICATE, right.argmax(1)),
        (ious.max(1) < NOTHING, Kind.BACKGROUND, -1),
    )
    conditions, kinds, about = zip(*cases, strict=True)
    return np.select(conditions, kinds, Kind.BOTH), np.select(conditions, about, -1)
