"""Keeps a training within its time: measures steps and evaluations, lays out a plan, and revises it where it must be.

The plan is a number of steps, from which schedules, EMA and evaluations follow. It is part of every checkpoint, so that
a resumed run does what an uninterrupted one does; with schedules that follow the clock, no two runs would be equal.
After steps that the plan names, it is compared with the time. Where it no longer fits, the number of steps changes, and
the schedules continue from where they are to their end; that is stored, too.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from statistics import fmean

from condetr.training.duration.plan import EARLY, LATE, Pace, Plan, images_within, lay_out

WARM_UP, MEASURED = 5, 20  # steps: of caches, then those that are measured
FEWEST = 3  # steps that are measured where they take long
MEASURING = 0.1  # of the time budget, for them
LONGEST_MEASUREMENT = 0.5  # of the time budget, for anything
RECENT = 50  # steps whose pace is compared with the plan
PRETRAINING = 0.25  # of the time budget, for the backbone
EVALUATED = 16  # images, to measure how long one takes
LONGEST_TRIAL = 0.03  # of the time that is left, for them
SHOWN = 8  # images in the charts, which are drawn with evaluations
FORWARD = 0.5  # seconds of evaluating an image, as a fraction of those of training on it: too many rather than too few


@dataclass(slots=True)
class TimeBudget:
    """Of one process; the times of the first process count.

    Attributes:
        seconds: from the start of the command to its end.
        began: on the clock; an interrupted run's time before counts, too.
        validation: the number of images to evaluate.
        steps_between: evaluations, where the settings say it.
        evaluating: seconds of evaluations so far.
    """

    seconds: float
    began: float
    validation: int = 0
    steps_between: float | None = None
    _clock: float = field(default_factory=time.monotonic)
    _first: list[float] = field(default_factory=list)
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))
    evaluating: float = 0.0
    _image: float | None = None
    _saving: float | None = None

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    @property
    def left(self) -> float:
        return self.seconds - self.elapsed

    def restart(self) -> None:
        """Do not count the time since the last step to the next one."""
        self._clock = time.monotonic()

    def count_step(self) -> None:
        now = time.monotonic()
        duration, self._clock = now - self._clock, now
        self._recent.append(duration)
        if len(self._first) < WARM_UP + MEASURED:
            self._first.append(duration)

    def count_evaluation(self, seconds: float, images: int) -> None:
        self.evaluating += seconds
        self._image = seconds / max(1, images)

    def count_saving(self, seconds: float) -> None:
        self._saving = seconds

    @property
    def is_measured(self) -> bool:
        count, seconds = len(self._first), sum(self._first)
        if count >= FEWEST and seconds >= MEASURING * self.seconds:
            return True
        return count >= WARM_UP + MEASURED or (count > 0 and self.elapsed >= LONGEST_MEASUREMENT * self.seconds)

    def trial(self, images_per_step: int) -> int:
        """The number of images to evaluate in order to measure it."""
        image = FORWARD * self._first_pace() / images_per_step
        return max(1, min(EVALUATED, self.validation, int(LONGEST_TRIAL * self.left / image)))

    def first_plan(self, step: int) -> Plan:
        image = self._image or 0.0
        pace = Pace(self._first_pace(), image, 2 * (self._saving or 0.0) + SHOWN * image)
        images = images_within(self.left, pace, self.validation)
        return lay_out(self.left, pace, step=step, images=images, steps_between=self.steps_between)

    def revised(self, plan: Plan, step: int, done: float) -> Plan | None:
        """Another plan for the time that is left, where this one does not fit it any more.

        Args:
            plan: up to now.
            step: optimization steps so far.
            done: fraction of the training so far.
        """
        recent = fmean(self._recent) if len(self._recent) >= FEWEST else plan.pace.step
        image = plan.pace.image if self._image is None else self._image
        saving = plan.pace.saving if self._saving is None else self._saving
        pace = Pace(recent, image, saving)
        evaluations = plan.evaluations_left(step, self.steps_between)
        needed = (plan.steps - step) * pace.step + evaluations * (plan.images * pace.image + pace.saving)
        if -EARLY * self.seconds <= needed - self.left <= LATE * self.seconds:
            return None
        return lay_out(self.left, pace, step=step, done=done, images=plan.images, steps_between=self.steps_between)

    def pretraining_steps(self, steps: int, step: int, seconds: float) -> int:
        """Of ``steps`` of backbone pretraining, those that fit in its share; ``step`` of them took ``seconds``."""
        allowed = PRETRAINING * self.seconds - (self.elapsed - seconds)
        return max(step, min(steps, int(allowed / (seconds / step))))

    def _first_pace(self) -> float:
        """The mean without the fastest and slowest steps, such as those in which caches fill."""
        durations = self._first[WARM_UP:] if len(self._first) > WARM_UP + FEWEST else self._first[1:] or self._first
        middle = sorted(durations)[len(durations) // 10 : len(durations) - len(durations) // 10]
        return max(fmean(middle), 1e-6)
