"""What a less precise graph sees of what the model sees: numbers for a graph that cannot be equal."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from condetr.core.boxes import iou
from condetr.core.errors import GateError
from condetr.images.detections import Detections

FEWEST_AGAIN = 0.9  # of the model's detections, where there are no labels to measure AP with
MOST_LOST = 0.5  # points of AP
_SAME_PLACE = 0.5  # IoU


@dataclass(frozen=True, slots=True)
class FoundAgain:
    """Detections of the model that the graph has, too: of the same class, at the same place (IoU of 0.5)."""

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
            reason = f"int8 finds {self.again} of {self.detections} detections again, fewer than {FEWEST_AGAIN:.0%}"
            raise GateError(reason, item="verify", hint="give more images like those it will see, or --no-verify")

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"share": self.share}


def found_again(expected: Sequence[Detections], given: Sequence[Detections]) -> FoundAgain:
    """Pair the detections of every image, best first, each at most once."""
    detections = sum(map(len, expected))
    again, differences = 0, [0.0]
    for ours, theirs in zip(expected, given, strict=True):
        free = list(range(len(theirs)))
        for number in range(len(ours)):
            near = [place for place in free if theirs.labels[place] == ours.labels[number]]
            near = [place for place in near if iou(ours.boxes[number], theirs.boxes[place]) >= _SAME_PLACE]
            if near:
                best = max(near, key=lambda place: float(iou(ours.boxes[number], theirs.boxes[place])))
                free.remove(best)
                again += 1
                differences.append(float((ours.scores[number] - theirs.scores[best]).abs()))
    more = sum(map(len, given)) - again
    return FoundAgain(len(expected), detections, again, more, max(differences))


@dataclass(frozen=True, slots=True)
class ApLost:
    """AP of the model and of the graph on the same labeled images, from 0 to 1; of a segmenter's masks, too."""

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
            raise GateError(
                f"{reason}, more than {MOST_LOST}", item="verify", hint="--no-verify writes it all the same"
            )

    def to_dict(self) -> dict[str, Any]:
        masks = None if self.masks is None else self.masks.to_dict()
        return asdict(self) | {"points": self.points, "masks": masks}
