"""The accuracy of a less precise graph: AP lost, or the share of the model's detections that it has, too."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from condetr.core.boxes import iou
from condetr.core.errors import GateError
from condetr.images.detections import Detections

FEWEST_AGAIN = 0.9  # of the model's detections, where there are no labels for AP
MOST_LOST = 0.5  # points of AP
_SAME_BOX = 0.5  # IoU


@dataclass(frozen=True, slots=True)
class FoundAgain:
    """Detections of the model that the graph has, too: of one class, with an IoU of 0.5 or more."""

    pictures: int
    detections: int
    again: int
    more: int
    largest_score_difference: float

    @property
    def share(self) -> float:
        return self.again / self.detections if self.detections else 1.0

    def require(self) -> None:
        if self.share < FEWEST_AGAIN:
            reason = f"int8 has {self.again} of the model's {self.detections} detections, fewer than {FEWEST_AGAIN:.0%}"
            raise GateError(reason, item="verify", hint="calibrate on more images like yours, or use --no-verify")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"share": self.share}


def found_again(expected: Sequence[Detections], actual: Sequence[Detections]) -> FoundAgain:
    """Pair the detections of every image, best first, each at most once."""
    detections = sum(map(len, expected))
    again, differences = 0, [0.0]
    for ours, theirs in zip(expected, actual, strict=True):
        free = list(range(len(theirs)))
        for number in range(len(ours)):
            near = [index for index in free if theirs.labels[index] == ours.labels[number]]
            near = [index for index in near if iou(ours.boxes[number], theirs.boxes[index]) >= _SAME_BOX]
            if near:
                best = max(near, key=lambda index: float(iou(ours.boxes[number], theirs.boxes[index])))
                free.remove(best)
                again += 1
                differences.append(float((ours.scores[number] - theirs.scores[best]).abs()))
    more = sum(map(len, actual)) - again
    return FoundAgain(len(expected), detections, again, more, max(differences))


@dataclass(frozen=True, slots=True)
class ApLost:
    """AP of the model and of the graph on the same images, from 0 to 1; for a segmenter also of masks."""

    pictures: int
    model: float
    graph: float
    masks: "ApLost | None" = None

    @property
    def points(self) -> float:
        return 100 * (self.model - self.graph)

    def require(self, what: str = "AP") -> None:
        if self.masks is not None:
            self.masks.require("mask AP")
        if self.points > MOST_LOST:
            reason = f"int8 loses {self.points:.2f} points of {what} ({100 * self.model:.1f} to {100 * self.graph:.1f})"
            raise GateError(f"{reason}, more than {MOST_LOST}", item="verify", hint="--no-verify writes it anyway")

    def to_dict(self) -> dict[str, Any]:
        masks = None if self.masks is None else self.masks.to_dict()
        return asdict(self) | {"points": self.points, "masks": masks}
