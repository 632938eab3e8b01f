"""Panoptic quality (Kirillov et al., CVPR 2019) and the mean IoU of classes, from counts that are added over images.

A true and a predicted segment of one class match if their IoU exceeds 0.5, void pixels of the truth left out. PQ of a
class is the summed IoU of its matches over matches + half of the unmatched segments, predicted and true. A predicted
segment is no error if more than half of it lies on void pixels or in a crowd of its class; of several such crowds in an
image the last counts, as in panopticapi.

Not `hotcoco.panoptic.PanopticEval`, which agrees (`benchmarks/hotcoco_study.py`): it needs the masks of all images at
once, where processes exchange only counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from condetr.core.errors import UsageError
from condetr.data.object_masks import object_masks
from condetr.data.records import Example
from condetr.images.detections import Detections
from condetr.images.masks.segment_png import segment_numbers

HIT = 0.5
_DIGITS = 9  # reported; the last of 17 are rounding


@dataclass(frozen=True, slots=True, eq=False)
class PanopticCounts:
    """Of one image, or added over many; one entry per class.

    Attributes:
        iou: summed over the matches.
        hits: matches of a true and a predicted segment.
        wrong: predicted segments without a match.
        missed: true segments without a match.
        shared: pixels of the class in both truth and prediction.
        true_pixels: of the class in the truth.
        found_pixels: of the class in the prediction, void pixels of the truth left out.
    """

    iou: Float64[np.ndarray, "classes"]
    hits: Int64[np.ndarray, "classes"]
    wrong: Int64[np.ndarray, "classes"]
    missed: Int64[np.ndarray, "classes"]
    shared: Int64[np.ndarray, "classes"]
    true_pixels: Int64[np.ndarray, "classes"]
    found_pixels: Int64[np.ndarray, "classes"]


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Attributes: panoptic, segmentation (IoU of matches) and recognition quality (F1 of segments), in [0, 1]."""

    pq: float
    sq: float
    rq: float


@dataclass(frozen=True, kw_only=True)
class ClassQuality(Quality):
    """Of one class. Attributes: true segments; IoU of its pixels, None where neither truth nor prediction has any."""

    segments: int
    iou: float | None


@dataclass(frozen=True, kw_only=True)
class Panoptic(Quality):
    """Averages over the classes with a segment, true or predicted.

    Attributes:
        things: of thing classes; None without one.
        stuff: of stuff classes; None without one.
        per_class: by name.
        miou: mean IoU of the pixels of each class.
    """

    things: Quality | None
    stuff: Quality | None
    per_class: dict[str, ClassQuality]
    miou: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def counts_of(example: Example, predicted: Detections, classes: int) -> PanopticCounts:
    """Compare the segments of one image; labels of ``predicted`` are those of the dataset.

    Raises:
        UsageError: the prediction has no segments, or objects of the truth overlap.
        AnnotationError: the truth can no longer be read; likewise ImageError.
    """
    if predicted.segments is None:
        raise UsageError("there are no segments to compare", source=predicted.source)
    everything = (*example.objects, *example.crowds)
    truth, answer = _true_segments(example), predicted.segments.cpu().long()
    pairs = torch.bincount(
        (truth * (len(predicted) + 1) + answer).flatten(), minlength=(len(everything) + 1) * (len(predicted) + 1)
    )
    both = pairs.reshape(len(everything) + 1, len(predicted) + 1).numpy()
    true_labels = np.array([segment.label for segment in everything], dtype=np.int64)
    found_labels = predicted.labels.cpu().numpy().astype(np.int64)
    crowd = np.arange(len(everything)) >= len(example.objects)
    inside, areas, void = both[1:, 1:], both[1:].sum(axis=1), both[0, 1:]
    found_areas = both[:, 1:].sum(axis=0)
    union = areas[:, None] + found_areas - inside - void
    iou = inside / np.maximum(union, 1)
    same = true_labels[:, None] == found_labels
    hit = same & ~crowd[:, None] & (iou > HIT)
    rows, columns = hit.nonzero()
    last_crowds = {label: number for number, label in enumerate(true_labels.tolist()) if crowd[number]}
    excusing = np.isin(np.arange(len(everything)), list(last_crowds.values()))
    excused = void + (inside * (same & excusing[:, None])).sum(axis=0)
    wrong = ~hit.any(axis=0) & (excused <= HIT * found_areas)
    missed = ~hit.any(axis=1) & ~crowd & (areas > 0)

    def per_class(labels: Int64[np.ndarray, "some"], weights: Any = None) -> np.ndarray:
        return np.bincount(labels, weights, classes)

    return PanopticCounts(
        iou=per_class(true_labels[rows], iou[rows, columns]).astype(np.float64),  # without matches, integer zeros
        hits=per_class(true_labels[rows]),
        wrong=per_class(found_labels[wrong]),
        missed=per_class(true_labels[missed]),
        shared=per_class(true_labels, (inside * same).sum(axis=1)).astype(np.int64),
        true_pixels=per_class(true_labels, areas).astype(np.int64),
        found_pixels=per_class(found_labels, inside.sum(axis=0)).astype(np.int64),
    )


def panoptic_of(counts: Iterable[PanopticCounts], names: Sequence[str], stuff: Sequence[int]) -> Panoptic:
    """Add up images and average over classes."""
    each = list(counts)
    total = {
        spec.name: np.sum([getattr(part, spec.name) for part in each], axis=0) if each else np.zeros(len(names))
        for spec in fields(PanopticCounts)
    }
    hits, errors = total["hits"], total["wrong"] + total["missed"]
    present = (hits + errors) > 0
    weights = np.maximum(hits + 0.5 * errors, 0.5)
    sq, rq = total["iou"] / np.maximum(hits, 1), hits / weights
    pq = total["iou"] / weights
    union = total["true_pixels"] + total["found_pixels"] - total["shared"]
    ious = [_rounded(shared / area) if area else None for shared, area in zip(total["shared"], union, strict=True)]
    is_stuff = np.isin(np.arange(len(names)), list(stuff))

    def averaged(chosen: np.ndarray) -> Quality | None:
        chosen = chosen & present
        if not chosen.any():
            return None
        return Quality(pq=_rounded(pq[chosen].mean()), sq=_rounded(sq[chosen].mean()), rq=_rounded(rq[chosen].mean()))

    of_all = averaged(present) or Quality(pq=0.0, sq=0.0, rq=0.0)
    defined = [iou for iou in ious if iou is not None]
    return Panoptic(
        **asdict(of_all),
        things=averaged(~is_stuff),
        stuff=averaged(is_stuff),
        per_class={
            name: ClassQuality(
                pq=_rounded(pq[i]), sq=_rounded(sq[i]), rq=_rounded(rq[i]),
                segments=int(hits[i] + total["missed"][i]), iou=ious[i],
            )
            for i, name in enumerate(names)
            if present[i]
        },
        miou=_rounded(np.mean(defined)) if defined else None,
    )  # fmt: skip


def _true_segments(example: Example) -> Int64[Tensor, "height width"]:
    """The number of each pixel's object or crowd, from 1; 0 is void."""
    everything = (*example.objects, *example.crowds)
    truth = torch.zeros(example.size, dtype=torch.int64)
    if example.segments is None:
        masks = object_masks(example, everything)
        if len(masks) and masks.sum(dim=0).max() > 1:
            hint = "panoptic quality needs a panoptic dataset; convert with `condetr data convert --to coco-panoptic`"
            raise UsageError("has overlapping objects", source=example.path, hint=hint)
        for number, mask in enumerate(masks, start=1):
            truth[mask] = number
        return truth
    numbers = segment_numbers(example.segments)
    for number, segment in enumerate(everything, start=1):
        truth[numbers == segment.id] = number
    return truth


def _rounded(value: Any) -> float:
    return round(float(value), _DIGITS)
