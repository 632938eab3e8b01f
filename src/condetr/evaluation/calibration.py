"""Calibration: whether a share s of the detections that score s are right.

A detection is right if it is a hit at an IoU of 0.5 (`tide`); detections in crowds are left out, and so are scores up
to 0.05, of which a detector has as many as it has queries. The expected calibration error (ECE; Guo et al., ICML 2017;
of detections: Küppers et al., CVPRW 2020) is |share of hits - mean score| of ten equal bins of scores, averaged over
the detections.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from condetr.evaluation.arrays import Flags, Numbers, PredictedObjects
from condetr.evaluation.tide import POSITIVE, Kind, Matches

EDGES = tuple(edge / 10 for edge in range(11))  # of the bins of scores
LOWEST = 0.05  # scores at or below it are left out
_DIGITS = 9


@dataclass(frozen=True)
class Reliability:
    """A reliability diagram: of each bin of scores, the lowest first, None where it is empty.

    Attributes:
        detections: in the bin.
        scores: their mean.
        precision: the share of hits among them.
    """

    detections: tuple[int, ...]
    scores: tuple[float | None, ...]
    precision: tuple[float | None, ...]

    @property
    def ece(self) -> float | None:
        """Expected calibration error, in [0, 1]; None without a detection."""
        total = sum(self.detections)
        gaps = (
            count * abs(precision - score)
            for count, score, precision in zip(self.detections, self.scores, self.precision, strict=True)
            if score is not None and precision is not None
        )
        return round(sum(gaps) / total, _DIGITS) if total else None

    def to_dict(self) -> dict[str, Any]:
        bins = {"detections": self.detections, "score": self.scores, "precision": self.precision}
        return {"ece": self.ece} | {name: list(values) for name, values in bins.items()}


@dataclass(frozen=True)
class Calibration:
    """Attributes: the reliability of all detections; of those of each class, by name; the score that all exceed."""

    overall: Reliability
    by_class: dict[str, Reliability]
    lowest: float = LOWEST

    @property
    def ece(self) -> float | None:
        """Of all detections."""
        return self.overall.ece

    @property
    def mean_ece(self) -> float | None:
        """The mean over the classes that have detections."""
        known = [ece for reliability in self.by_class.values() if (ece := reliability.ece) is not None]
        return round(sum(known) / len(known), _DIGITS) if known else None

    def to_dict(self) -> dict[str, Any]:
        return {
            "iou": POSITIVE,
            "lowest_score": self.lowest,
            "bin_edges": list(EDGES),
            "mean_ece": self.mean_ece,
            **self.overall.to_dict(),
            "per_class": {name: reliability.to_dict() for name, reliability in self.by_class.items()},
        }


def calibration_of(predicted: PredictedObjects, matches: Matches, names: tuple[str, ...]) -> Calibration:
    """Of detections at any score and their matches."""
    kept = (predicted.scores > LOWEST) & (matches.kinds != Kind.IGNORED)
    labels, scores, hits = predicted.labels[kept], predicted.scores[kept], matches.kinds[kept] == Kind.HIT
    by_class = {name: _reliability(scores[labels == label], hits[labels == label]) for label, name in enumerate(names)}
    return Calibration(_reliability(scores, hits), by_class)


def _reliability(scores: Numbers, hits: Flags) -> Reliability:
    """Bins have their upper edge, not their lower one."""
    in_bin = np.searchsorted(EDGES[1:-1], scores)[:, None] == np.arange(len(EDGES) - 1)
    counts = in_bin.sum(axis=0).tolist()
    sums, right = ((values.astype(np.float64) @ in_bin).tolist() for values in (scores, hits))
    return Reliability(
        detections=tuple(counts),
        scores=tuple(_ratio(total, count) for total, count in zip(sums, counts, strict=True)),
        precision=tuple(_ratio(total, count) for total, count in zip(right, counts, strict=True)),
    )


def _ratio(total: float, count: int) -> float | None:
    return round(total / count, _DIGITS) if count else None
