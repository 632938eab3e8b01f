"""The plan of a training within a time budget: its steps and evaluations, a pure function of what was measured."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

USED = 0.97  # of the time that is left: single steps and evaluations take longer than the measured ones
MOST_EVALUATIONS = 12
EVALUATING = 0.1  # of the time, unless a single evaluation takes longer
LONGEST_EVALUATION = 0.25  # of the time; where one of all validation images takes longer, fewer are evaluated
CHECKS = 50  # of the pace, evenly spread over the steps of a plan
LATE, EARLY = 0.01, 0.1  # of the time budget: by how much a training may miss it before its plan is revised


@dataclass(frozen=True, slots=True)
class Pace:
    """Measured seconds.

    Attributes:
        step: of an optimization step.
        image: of the evaluation of one image.
        saving: of what else is done at an evaluation: checkpoint, model, charts.
    """

    step: float
    image: float = 0.0
    saving: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Part of every checkpoint, so that a resumed run continues with it.

    Attributes:
        since: the step at which it was made.
        done: fraction of the training that was done then.
        steps: after which the training ends.
        evaluate_every: steps between evaluations, counted from ``since``; None: as the settings say, in epochs.
        images: of the validation split that are evaluated.
        pace: what it was made from.
    """

    since: int
    done: float
    steps: int
    evaluate_every: int | None
    images: int
    pace: Pace

    def evaluates_at(self, step: int) -> bool:
        """Not at the step at which the plan was made, wherever that is."""
        since = step - self.since
        return self.evaluate_every is not None and since > 0 and since % self.evaluate_every == 0

    def checks_at(self, step: int) -> bool:
        """Whether to compare the time with the plan: after steps that depend on the plan alone."""
        return (step - self.since) % max(1, (self.steps - self.since) // CHECKS) == 0

    def evaluations_left(self, step: int, steps_between: float | None) -> float:
        """After ``step``; ``steps_between`` those that the settings ask for. The last one is at the end."""
        every = self.evaluate_every or steps_between
        return 1.0 if every is None else max(1.0, (self.steps - step) / every)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Plan":
        """From what ``dataclasses.asdict`` gave."""
        return cls(**(dict(stored) | {"pace": Pace(**stored["pace"])}))


def is_plan(stored: object) -> bool:
    """Whether `Plan.from_dict` reads it."""
    if not isinstance(stored, Mapping) or stored.keys() != {spec.name for spec in fields(Plan)}:
        return False
    pace, every = stored["pace"], stored["evaluate_every"]
    if not isinstance(pace, Mapping) or pace.keys() != {spec.name for spec in fields(Pace)}:
        return False
    counts = [stored[name] for name in ("since", "steps", "images")] + ([] if every is None else [every])
    numbers = [stored["done"], *pace.values()]
    return all(type(count) is int and count >= 0 for count in counts) and all(
        type(number) in (int, float) and number >= 0 for number in numbers
    )


def images_within(seconds: float, pace: Pace, images: int) -> int:
    """How many of the ``images`` of the validation split to evaluate in a training of so many seconds."""
    if images * pace.image <= LONGEST_EVALUATION * seconds:
        return images
    return max(1, int(LONGEST_EVALUATION * max(0.0, seconds) / pace.image))


def lay_out(
    seconds: float, pace: Pace, *, step: int, done: float = 0.0, images: int = 0, steps_between: float | None = None
) -> Plan:
    """Steps and evaluations for the ``seconds`` that are left.

    Args:
        seconds: that are left of the budget; may be negative.
        pace: measured.
        step: optimization steps so far.
        done: fraction of the training so far.
        images: to evaluate; 0 where nothing is evaluated.
        steps_between: evaluations, where the settings say it.
    """
    usable = max(0.0, USED * seconds)
    evaluation = images * pace.image + pace.saving
    if steps_between is not None:
        steps = int(max(0.0, usable - evaluation) / (pace.step + evaluation / steps_between))
        return Plan(step, done, step + steps, None, images, pace)
    count = min(MOST_EVALUATIONS, max(1, int(EVALUATING * usable / max(evaluation, 1e-9)))) if images else 1
    every = int((usable / count - evaluation) / pace.step)
    if every < 1:
        count, every = 1, int(max(0.0, usable - evaluation) / pace.step)
    return Plan(step, done, step + count * every, max(1, every), images, pace)
