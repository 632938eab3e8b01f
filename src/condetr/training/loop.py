"""The training loop: steps, and after each epoch evaluation and checkpoints."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TypeAlias

import torch

from condetr.core.errors import CheckpointError, ModelError
from condetr.core.names import Task
from condetr.core.out_of_memory import is_out_of_memory
from condetr.data.batches import TrainingBatch
from condetr.model.detector import ConditionalDetr
from condetr.training.duration.course import Course
from condetr.training.failure_guard import FailureGuard, is_lost_contact, lost_contact, out_of_memory
from condetr.training.input.sampling import Sampling, seed_from
from condetr.training.interruption import Interruption
from condetr.training.optimization.optimizer import set_rates
from condetr.training.processes import Processes
from condetr.training.progress import Progress
from condetr.training.run.callbacks import CallbackError, Callbacks
from condetr.training.run.checkpoint_writer import CheckpointWriter
from condetr.training.run.events import Evaluated, Evaluating, EventHandler, Noted, Saved, Warned
from condetr.training.run.run_logger import RunLogger
from condetr.training.settings import TrainingSettings
from condetr.training.steps import Step, take_step
from condetr.training.train_state import TrainState

Measure: TypeAlias = Callable[[ConditionalDetr, int | None], Mapping[str, float]]
WATCHED: dict[Task, str] = {"detect": "ap", "instance": "mask_ap", "panoptic": "pq"}  # selects the best model
CHECKPOINT_STEPS = 100  # between the checkpoints of short epochs
LESS = "a lower --lr, a milder --augment or more images may help"


class Loop:
    def __init__(
        self,
        settings: TrainingSettings,
        course: Course,
        sampling: Sampling,
        state: TrainState,
        processes: Processes,
        logger: RunLogger,
        writer: CheckpointWriter | None,
        measure: Measure | None,
        stop: Callbacks,
        say: EventHandler,
        *,
        measures_start: bool = False,
    ) -> None:
        """``writer`` exists on the first process only; ``measure``, if given, evaluates on all or so many images.

        ``stop`` has a reason once a callback asked to end the run. With ``measures_start`` the model is also evaluated
        before the first step: then no model that is worse than the start is the best.
        """
        self._settings, self._course, self._sampling = settings, course, sampling
        self._state, self._processes = state, processes
        self._logger, self._writer, self._measure, self._stop, self._say = logger, writer, measure, stop, say
        self._measures_start = measures_start
        self._guard = FailureGuard(settings.non_finite, settings.unreadable, say)

    def run(self, feed: Iterator[list[TrainingBatch]], progress: Progress) -> None:
        """Train from ``progress`` to the end, or to a signal, which is raised again once everything is saved.

        Raises:
            ModelError: training cannot continue; the last good step is saved.
        """
        try:
            self._run(feed, progress)
        except RuntimeError as error:  # ModelError is one
            if is_lost_contact(error):
                raise lost_contact(error, progress.step, self._processes.dead_peers()) from error
            if isinstance(error, ModelError) and progress.saved >= 0:  # else in the evaluation of the start model
                with suppress(CheckpointError):  # weights that are not finite are not saved
                    self._save(progress)
            raise
        except CallbackError:
            self._save(progress)
            raise
        finally:
            self._guard.report_totals()

    def _run(self, feed: Iterator[list[TrainingBatch]], progress: Progress) -> None:
        with Interruption(self._say) as interruption:
            if self._measures_start and self._measure is not None:  # unsaved, so that a resumed run does it again
                with interruption.immediate("nothing is saved yet; --resume starts from the beginning"):
                    self._evaluate(self._measure, progress)
            with self._course.timing_pause():
                self._save(progress)  # from here on there is always a checkpoint to resume from
            if self._course.is_pause(progress) and progress.evaluated_step < progress.step:
                self._end_epoch(progress, interruption)  # the run was stopped before this evaluation
            while not self._is_over(progress, interruption):
                self._run_epoch(feed, progress, interruption)
                if self._course.is_pause(progress):
                    self._end_epoch(progress, interruption)
            self._save(progress)
        if self._stop.stop_reason is not None:
            self._say(Noted(self._stop.stop_reason))
        if progress.best is not None and not progress.best_epoch and progress.stale:
            self._say(
                Warned(f"no epoch was better than the start model ({progress.best:.3f}), which is in best/: {LESS}")
            )
        if self._processes.any(interruption.requested):
            interruption.raise_again(self._processes.gather(interruption.number))

    def _is_over(self, progress: Progress, interruption: Interruption) -> bool:
        if self._is_ending(interruption) or self._course.is_over(progress):
            return True
        return self._is_out_of_patience(progress)

    def _is_ending(self, interruption: Interruption) -> bool:
        """Whether a signal or a callback ends the run, on any process."""
        return self._processes.any(interruption.requested or self._stop.stop_reason is not None)

    def _run_epoch(self, feed: Iterator[list[TrainingBatch]], progress: Progress, interruption: Interruption) -> None:
        """To the end of the epoch or of the training, to an evaluation, or to what ends the run before."""
        self._state.network.train()
        self._logger.restart_clock()
        self._course.restart_clock()
        while True:
            batches = next(feed)
            self._guard.check_batches(batches)
            factor = self._set_rates(progress)
            self._unfreeze(progress)
            step = self._take_step(batches, progress)
            self._guard.check_step(step, progress)
            if step.skip_reason is None and self._state.average is not None:
                self._state.average.update(self._state.supervised.detector)
            progress.step += 1
            progress.position = self._sampling.after(progress.position)
            rates = {"lr": self._settings.lr * factor, "lr_backbone": self._settings.lr_backbone * factor}
            self._logger.add_step(step, progress, rates, slivers=sum(batch.slivers for batch in batches))
            if self._course.keep_time(progress, self._try_evaluation) or self._is_save_due(progress):
                self._save(progress)
            if self._is_ending(interruption) or self._course.is_pause(progress):
                return

    def _take_step(self, batches: Sequence[TrainingBatch], progress: Progress) -> Step:
        """Its random numbers depend on seed, step and rank alone, so that no generator state needs to be stored."""
        torch.manual_seed(seed_from("step", self._settings.seed, progress.step, self._processes.rank))
        try:
            return take_step(self._state, batches, self._processes, self._settings.clip, self._course.done(progress))
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise out_of_memory(f"in step {progress.step}", batches) from error
            raise

    def _end_epoch(self, progress: Progress, interruption: Interruption) -> None:
        """Evaluate and draw charts, with everything saved before."""
        if not self._course.evaluates(progress):
            self._draw(progress)
            return
        with self._course.timing_pause():
            if self._measure is not None:
                self._save(progress)
                if self._is_ending(interruption):
                    return
                with interruption.immediate("saved; --resume repeats the evaluation"):
                    self._evaluate(self._measure, progress)
            self._draw(progress)
        self._course.revise(progress)

    def _draw(self, progress: Progress) -> None:
        progress.evaluated_step = progress.step
        self._logger.end_epoch(self._state.eval_model, is_last=self._course.is_over(progress))

    def _try_evaluation(self, images: int) -> None:
        """Of the first images, only to measure how long it takes."""
        if self._measure is not None:
            self._measure(self._state.eval_model.eval(), images)
            self._state.network.train()

    def _evaluate(self, measure: Measure, progress: Progress) -> None:
        epoch = self._logger.epoch(progress)
        self._say(Evaluating(epoch))
        try:
            with self._course.timing_evaluation(self._course.images):
                metrics = dict(measure(self._state.eval_model.eval(), self._course.images))
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                which = f"after epoch {epoch:g}" if epoch else "of the start model"
                raise out_of_memory(f"in the evaluation {which}", ()) from error
            raise
        metrics = self._processes.from_first(metrics)
        is_best = progress.record(metrics, WATCHED[self._settings.task], epoch)
        if is_best and self._writer is not None:
            self._writer.save_best()
        self._logger.add_evaluation(progress)
        self._say(Evaluated(epoch, metrics, is_best))

    def _is_out_of_patience(self, progress: Progress) -> bool:
        patience = self._settings.patience
        if not patience or progress.stale < patience:
            return False
        best = (
            f"the best was after epoch {progress.best_epoch:g}" if progress.best_epoch else "the start model is better"
        )
        text = f"no improvement in {progress.stale} evaluations: {best}"
        self._say(Noted(text))
        return True

    def _is_save_due(self, progress: Progress) -> bool:
        every = self._settings.save_every
        if every and progress.step % every == 0:
            return True
        return progress.position.offset == 0 and progress.step - progress.saved >= CHECKPOINT_STEPS

    def _save(self, progress: Progress) -> None:
        if self._writer is None or progress.saved == progress.step:
            return
        progress.saved = progress.step
        self._course.save_time(progress)
        self._say(Saved(self._writer.save(progress)))

    def _set_rates(self, progress: Progress) -> float:
        """Returns the factor of the learning rates."""
        factor = self._course.rate_factor(progress)
        set_rates(self._state.optimizer, factor)
        return factor

    def _unfreeze(self, progress: Progress) -> None:
        """Train frozen parts when their steps are over; a resumed run begins with this, too."""
        if self._state.frozen and progress.step >= self._settings.freeze_steps:
            self._state.unfreeze()
            self._say(Noted(f"step {progress.step}: no longer frozen: {', '.join(self._settings.freeze)}"))
