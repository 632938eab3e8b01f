"""The progress of a training run: the few values that a resumed run continues from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

from condetr.training.duration.plan import Plan


class Position(NamedTuple):
    """Complete epochs, and images of the current one that all processes together have seen."""

    epoch: int = 0
    offset: int = 0


_ADDED = ("evaluated_step", "seconds", "plan")  # fields that checkpoints of earlier versions lack


@dataclass(slots=True)
class Progress:
    """Changes with every step.

    Attributes:
        step: optimization steps, skipped ones included.
        position: where in the data the next step begins.
        skipped: steps skipped because their loss or gradient was not finite.
        evaluated_step: up to which everything between the steps is done: evaluations and charts.
        best: the highest value of the watched metric, reached after ``best_epoch``.
        stale: evaluations since then.
        metrics: of the last evaluation.
        saved: the step of the last checkpoint.
        seconds: of the time budget that are used.
        plan: for the time budget, once it is measured.
    """

    step: int = 0
    position: Position = field(default_factory=Position)
    skipped: int = 0
    evaluated_step: int = 0
    best: float | None = None
    best_epoch: int | float = 0
    stale: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    saved: int = -1
    seconds: int | float = 0
    plan: Plan | None = None

    def epochs_done(self, images: int) -> float:
        """Complete epochs and the fraction of the current one."""
        return self.position.epoch + self.position.offset / images

    def record(self, metrics: dict[str, float], watched: str, epoch: int | float) -> bool:
        """Store the metrics of the evaluation after ``epoch``; returns whether the watched one is the best so far."""
        self.metrics, value = metrics, metrics[watched]
        if self.best is None or value > self.best:
            self.best, self.best_epoch, self.stale = value, epoch, 0
            return True
        self.stale += 1
        return False

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Progress":
        current = with_current_fields(stored)
        plan = None if current["plan"] is None else Plan.from_dict(current["plan"])
        return cls(**(current | {"position": Position(*stored["position"]), "plan": plan}))


def with_current_fields(stored: Mapping[str, Any]) -> dict[str, Any]:
    """What `Progress.to_dict` gave, also in earlier versions: fields that were added since have their defaults."""
    added = {spec.name: spec.default for spec in fields(Progress) if spec.name in _ADDED}
    current = {**added, **stored}
    if "evaluated" in current:  # in epochs
        position = current.get("position")
        is_done = isinstance(position, list) and position[:1] == [current.pop("evaluated")]
        current["evaluated_step"] = current.get("step") if is_done else 0
    return current
