"""How far a training run is: the few values that a resumed run goes on from."""

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple


class Position(NamedTuple):
    """Complete epochs, and images of the current one that were seen by all processes together."""

    epoch: int = 0
    place: int = 0


@dataclass(slots=True)
class Progress:
    """Changes with every step.

    Attributes:
        step: optimization steps, those left out included.
        position: where in the data the next step begins.
        skipped: steps left out because their loss or gradient was not finite.
        evaluated: epochs whose evaluation is done.
        best: the highest value of the watched metric, and ``best_epoch`` where it was.
        stale: evaluations since then.
        metrics: what the last evaluation gave.
        saved: the step of the last checkpoint.
    """

    step: int = 0
    position: Position = field(default_factory=Position)
    skipped: int = 0
    evaluated: int = 0
    best: float | None = None
    best_epoch: int = 0
    stale: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    saved: int = -1

    def share_done(self, images: int, epochs: int) -> float:
        """Of the whole training, from 0 to 1."""
        return (self.position.epoch + self.position.place / images) / epochs

    def note(self, metrics: dict[str, float], watched: str) -> bool:
        """Remember what an evaluation gave; whether the watched measure is the best so far."""
        self.metrics, value = metrics, metrics[watched]
        if self.best is None or value > self.best:
            self.best, self.best_epoch, self.stale = value, self.position.epoch, 0
            return True
        self.stale += 1
        return False

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Progress":
        return cls(**(stored | {"position": Position(*stored["position"])}))
