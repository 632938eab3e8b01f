"""What became of every detection and every object: hits, and the kinds of error that TIDE tells apart.

A hit is what COCO counts as one: best score first, a detection takes the free object of its class that it overlaps
most, with an IoU of 0.5 or more. What is left is, in this order (Bolya et al., "TIDE", ECCV 2020):

localisation    right class, IoU from 0.1 to 0.5
classification  IoU of 0.5 or more with an object of another class
duplicate       right class and IoU of 0.5 or more, but a better detection has the object
background      IoU below 0.1 with every object
both            the rest: another class, IoU from 0.1 to 0.5
missed          an object without a hit, on which no localisation or classification error lies

Detections that lie in a crowd of their class are neither right nor wrong.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from hotcoco.primitives import bbox_iou
from jaxtyping import Bool, Float64, Int64

from condetr.evaluation.arrays import Flags, Found, Positions, Truth

POSITIVE, NOTHING = 0.5, 0.1  # IoUs from which a detection is right, and below which it is of no object


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
        kinds: of the detections.
        about: the object that a hit, classification, localisation or duplicate is about; else -1.
        mistaken: the object that a detection of another class would hit, every object once; else -1.
        hit: objects that were found.
        missed: objects that were not nearly found either.
    """

    kinds: Positions
    about: Positions
    mistaken: Positions
    hit: Flags
    missed: Flags


def judge(truth: Truth, found: Found) -> Matches:
    """Look at every image on which something was found."""
    judged = Matches(
        kinds=np.full(len(found), Kind.BACKGROUND, dtype=np.int64),
        about=np.full(len(found), -1, dtype=np.int64),
        mistaken=np.full(len(found), -1, dtype=np.int64),
        hit=np.zeros(len(truth), dtype=bool),
        missed=~truth.crowd,
    )
    best_first = np.lexsort((-found.scores, found.images))
    images, starts = np.unique(found.images[best_first], return_index=True)
    first, end = (np.searchsorted(truth.images, images, side) for side in ("left", "right"))
    for detections, *bounds in zip(np.split(best_first, starts[1:]), first, end, strict=False):
        objects = np.arange(*bounds)
        if len(objects):
            _judge_image(truth, found, objects, detections, judged)
    return judged


def _judge_image(truth: Truth, found: Found, objects: Positions, detections: Positions, judged: Matches) -> None:
    crowd = truth.crowd[objects]
    overlaps = bbox_iou(found.boxes[detections], truth.boxes[objects], crowd)
    own = found.labels[detections][:, None] == truth.labels[objects]
    in_crowd = (own & (overlaps >= POSITIVE))[:, crowd].any(1)  # over the area of the detection, as COCO has it
    singles, ious, own = objects[~crowd], overlaps[:, ~crowd], own[:, ~crowd]
    if not len(singles):
        judged.kinds[detections[in_crowd]] = Kind.IGNORED
        return
    hits = _taken(np.where(own, ious, 0.0))
    kinds, about = _kinds(ious, own, hits, in_crowd)
    hit, nearly = np.zeros(len(singles), dtype=bool), np.zeros(len(singles), dtype=bool)
    hit[hits[hits >= 0]] = True
    nearly[about[(kinds == Kind.CLASSIFICATION) | (kinds == Kind.LOCALISATION)]] = True
    wrong = (kinds != Kind.HIT) & (kinds != Kind.IGNORED)
    mistaken = _taken(np.where(~own & ~hit & wrong[:, None], ious, 0.0))
    judged.kinds[detections] = kinds
    judged.about[detections] = np.where(about >= 0, singles[about], -1)
    judged.mistaken[detections] = np.where(mistaken >= 0, singles[mistaken], -1)
    judged.hit[singles], judged.missed[singles] = hit, ~hit & ~nearly


def _taken(ious: Float64[np.ndarray, "detections objects"]) -> Int64[np.ndarray, "detections"]:
    """Which object each detection takes, the first detection first; -1 for none. Of equals the last, as COCO has it."""
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
    """The kind of each detection, and the object it is about or -1."""
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
