"""What depends on the length of a training: end, learning rates, EMA, evaluations, plan for a time budget."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from condetr.training.duration.length import OPEN, length_of
from condetr.training.duration.plan import Plan
from condetr.training.duration.time_budget import TimeBudget
from condetr.training.input.sampling import Sampling
from condetr.training.optimization.by_steps import ema_decay, epochs_between_evaluations, warmup_steps
from condetr.training.optimization.schedule import Schedule
from condetr.training.processes import Processes
from condetr.training.progress import Progress
from condetr.training.run.events import EventHandler, Noted, Planned
from condetr.training.settings import TrainingSettings
from condetr.training.train_state import TrainState


class Course:
    """Of one run, equal on all processes. Attributes: ``images`` to evaluate; None for all of the validation split."""

    def __init__(
        self,
        settings: TrainingSettings,
        sampling: Sampling,
        state: TrainState,
        processes: Processes,
        budget: TimeBudget | None,
        progress: Progress,
        say: EventHandler,
    ) -> None:
        """``budget`` where the settings have one; ``progress`` with the plan of a resumed run."""
        self._settings, self._sampling, self._state = settings, sampling, state
        self._processes, self._budget, self._say = processes, budget, say
        self._plan: Plan | None = None
        self._follow(None if budget is None else progress.plan)
        if self._plan is not None:
            say(Noted(f"the training goes on as it was laid out, to step {self._plan.steps}"))

    @property
    def images(self) -> int | None:
        if self._plan is None or self._budget is None or self._plan.images == self._budget.validation:
            return None
        return self._plan.images

    def steps_left(self, progress: Progress) -> int | None:
        """None where they are not measured yet."""
        return self._length.steps_left(progress, self._sampling)

    def is_over(self, progress: Progress) -> bool:
        return self._length.is_over(progress)

    def is_pause(self, progress: Progress) -> bool:
        """Whether there is something to do besides steps: at the end of an epoch or of the training, or to evaluate."""
        return progress.step > 0 and (progress.position.offset == 0 or self.evaluates(progress))

    def evaluates(self, progress: Progress) -> bool:
        if self.is_over(progress):
            return True
        if self._plan is not None and self._plan.evaluate_every is not None:
            return self._plan.evaluates_at(progress.step)
        if self._length.steps == OPEN:
            return False
        return progress.position.offset == 0 and progress.position.epoch % self._epochs_between == 0

    def done(self, progress: Progress) -> float:
        """The fraction of the training."""
        return self._length.done(progress)

    def rate_factor(self, progress: Progress) -> float:
        """Of the learning rates."""
        return self._schedule.factor(progress.step, self._length.done(progress))

    def restart_clock(self) -> None:
        """Do not count the time since the last step to the next one."""
        if self._budget is not None:
            self._budget.restart()

    def save_time(self, progress: Progress) -> None:
        """Before a checkpoint."""
        if self._budget is not None:
            progress.seconds = self._budget.elapsed

    @contextmanager
    def timing_evaluation(self, images: int | None) -> Iterator[None]:
        began = time.monotonic()
        yield
        if self._budget is not None:
            self._budget.count_evaluation(time.monotonic() - began, images or self._budget.validation)

    @contextmanager
    def timing_pause(self) -> Iterator[None]:
        """Of all that is done at an evaluation, without the evaluation itself."""
        began = time.monotonic()
        evaluating = 0.0 if self._budget is None else self._budget.evaluating
        yield
        if self._budget is not None:
            self._budget.count_saving(time.monotonic() - began - (self._budget.evaluating - evaluating))

    def keep_time(self, progress: Progress, evaluate: Callable[[int], None]) -> bool:
        """After a step: lay the plan out, or revise it where it does not fit the time any more; whether it changed.

        ``evaluate`` so many images, to measure it.
        """
        if self._budget is None:
            return False
        self._budget.count_step()
        if self._plan is None:
            if not self._processes.any(self._budget.is_measured):
                return False
            if self._budget.validation:
                images = self._processes.from_first(self._budget.trial(self._sampling.step_size))
                with self.timing_evaluation(images):
                    evaluate(images)
                self._budget.restart()
        elif not self._plan.checks_at(progress.step):
            return False
        return self.revise(progress)

    def revise(self, progress: Progress) -> bool:
        """Compare the plan with the time, after an evaluation, too; whether it changed."""
        if self._budget is None or self._length.is_over(progress):
            return False
        before, budget = self._plan, self._budget
        if before is None:
            plan: Plan | None = budget.first_plan(progress.step)
        else:
            plan = budget.revised(before, progress.step, self._length.done(progress))
        plan = self._processes.from_first(plan)
        if plan is None:
            return False
        self._follow(plan)
        progress.plan = plan
        text = self._description(plan) if before is None else f"{_speeds(plan)} now: it ends after step {plan.steps}"
        self._say(Planned(plan.steps - progress.step, progress.step, text))
        return True

    def _follow(self, plan: Plan | None) -> None:
        settings, sampling = self._settings, self._sampling
        self._plan = plan
        self._length = length_of(settings, sampling.images, plan)
        steps = self._length.steps_left(Progress(), sampling) or OPEN
        self._schedule = Schedule(settings.schedule, settings.decay_begins, warmup_steps(settings.warmup, steps))
        self._epochs_between = epochs_between_evaluations(settings.evaluate_every, steps / sampling.steps_per_epoch)
        if self._state.average is not None:
            self._state.average.decay = ema_decay(settings.ema, steps)

    def _description(self, plan: Plan) -> str:
        assert self._budget is not None
        parts = [f"{plan.steps} steps ({plan.steps / self._sampling.steps_per_epoch:.3g} epochs)"]
        if plan.images:
            every = plan.evaluate_every
            count = "evaluations" if every is None else f"{-(-(plan.steps - plan.since) // every)} evaluations"
            of_all = "" if self.images is None else f" of {self._budget.validation}"
            parts.append(f"{count} of {plan.images}{of_all} images")
        parts.append(f"warm-up {self._schedule.warmup}")
        if self._state.average is not None:
            parts.append(f"EMA {self._state.average.decay:g}")
        minutes = f"{self._budget.left / 60:.3g} of {self._budget.seconds / 60:g} min left"
        return f"{minutes}, {_speeds(plan)}: {', '.join(parts)}"


def _speeds(plan: Plan) -> str:
    return f"{plan.pace.step:.3g} s a step"
