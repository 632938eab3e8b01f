"""How long a training is, in epochs or in optimization steps, and how much of it is done."""

import sys
from dataclasses import dataclass

from condetr.training.duration.plan import Plan
from condetr.training.input.sampling import Sampling
from condetr.training.progress import Progress
from condetr.training.settings import TrainingSettings

OPEN = sys.maxsize  # steps: the end is not known yet


@dataclass(frozen=True, slots=True)
class Length:
    """Attributes: ``epochs``, of ``images`` each; where there are ``steps``, they count instead.

    A plan that is made at the step ``since`` has the rest of the training, after the fraction ``done_before``.
    """

    images: int
    epochs: int
    steps: int | None = None
    since: int = 0
    done_before: float = 0.0

    def done(self, progress: Progress) -> float:
        """The fraction of the training, for its schedules."""
        if self.steps is not None:
            return self.done_before + (1 - self.done_before) * (
                (progress.step - self.since) / (self.steps - self.since)
            )
        return progress.epochs_done(self.images) / self.epochs

    def is_over(self, progress: Progress) -> bool:
        if self.steps is not None:
            return progress.step >= self.steps
        return progress.position.epoch >= self.epochs

    def steps_left(self, progress: Progress, sampling: Sampling) -> int | None:
        """None where the end is not known yet."""
        if self.steps is not None:
            return None if self.steps == OPEN else max(0, self.steps - progress.step)
        return sampling.steps_from(progress.position, self.epochs)


def length_of(settings: TrainingSettings, images: int, plan: Plan | None) -> Length:
    """By the plan of a time budget, where there is one."""
    if settings.minutes is None:
        return Length(images, settings.epochs, settings.steps)
    if plan is None:
        return Length(images, settings.epochs, OPEN)
    return Length(images, settings.epochs, plan.steps, plan.since, plan.done)
