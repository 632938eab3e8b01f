"""The progress of a training run: the few values that a resumed run continues from."""

from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple


class Position(NamedTuple):
    """Complete epochs, and images of the current one that all processes together have seen."""

    epoch: int = 0
    offset: int = 0


@dataclass(slots=True)
class Progress:
    """Changes with every step.

    Attributes:
        step: optimization steps, skipped ones included.
        position: where in the data the next step begins.
        skipped: steps skipped because their loss or gradient was not finite.
        evaluated: epochs whose evaluation is done.
        best: the highest value of the watched metric, reached in ``best_epoch``.
        stale: evaluations since then.
        metrics: of the last evaluation.
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

    def epochs_done(self, images: int) -> float:
        """Complete epochs and the fraction of the current one."""
        return self.position.epoch + self.position.offset / images

    def record(self, metrics: dict[str, float], watched: str) -> bool:
        """Store the metrics of an evaluation; returns whether the watched metric is the best so far."""
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
