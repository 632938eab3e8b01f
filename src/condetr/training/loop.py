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
from condetr.training.failure_guard import FailureGuard, is_lost_contact, lost_contact, out_of_memory
from condetr.training.input.sampling import Sampling, seed_from
from condetr.training.interruption import Interruption
from condetr.training.optimization.optimizer import set_rates
from condetr.training.optimization.schedule import Schedule
from condetr.training.processes import Processes
from condetr.training.progress import Progress
from condetr.training.run.callbacks import CallbackError, Callbacks
from condetr.training.run.checkpoint_writer import CheckpointWriter
from condetr.training.run.events import Evaluated, Evaluating, EventHandler, Noted, Saved
from condetr.training.run.run_logger import RunLogger
from condetr.training.settings import TrainingSettings
from condetr.training.steps import Step, take_step
from condetr.training.train_state import TrainState

Measure: TypeAlias = Callable[[ConditionalDetr], Mapping[str, float]]
WATCHED: dict[Task, str] = {"detect": "ap", "instance": "mask_ap", "panoptic": "pq"}  # selects the best model
CHECKPOINT_STEPS = 100  # between the checkpoints of short epochs


class Loop:
    def __init__(
        self,
        settings: TrainingSettings,
        sampling: Sampling,
        state: TrainState,
        processes: Processes,
        logger: RunLogger,
        writer: CheckpointWriter | None,
        measure: Measure | None,
        stop: Callbacks,
        say: EventHandler,
    ) -> None:
        """``writer`` exists on the first process only; ``measure`` evaluates the model after an epoch, if given.

        ``stop`` has a reason once a callback asked to end the run.
        """
        self._settings, self._sampling, self._state, self._processes = settings, sampling, state, processes
        self._logger, self._writer, self._measure, self._stop, self._say = logger, writer, measure, stop, say
        self._schedule = Schedule(settings.schedule, settings.decay_begins, settings.warmup)
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
            if isinstance(error, ModelError):
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
            self._save(progress)  # from here on there is always a checkpoint to resume from
            if progress.position.offset == 0 and progress.evaluated < progress.position.epoch:
                self._end_epoch(progress, interruption)  # the run was stopped before this evaluation
            while not self._is_over(progress, interruption):
                self._run_epoch(feed, progress, interruption)
                if progress.position.offset == 0:
                    self._end_epoch(progress, interruption)
            self._save(progress)
        if self._stop.stop_reason is not None:
            self._say(Noted(self._stop.stop_reason))
        if self._processes.any(interruption.requested):
            interruption.raise_again(self._processes.gather(interruption.number))

    def _is_over(self, progress: Progress, interruption: Interruption) -> bool:
        if self._is_ending(interruption) or progress.position.epoch >= self._settings.epochs:
            return True
        return self._is_out_of_patience(progress)

    def _is_ending(self, interruption: Interruption) -> bool:
        """Whether a signal or a callback ends the run, on any process."""
        return self._processes.any(interruption.requested or self._stop.stop_reason is not None)

    def _run_epoch(self, feed: Iterator[list[TrainingBatch]], progress: Progress, interruption: Interruption) -> None:
        """To the end of the epoch, to a signal, or until a callback ends the run."""
        epoch = progress.position.epoch
        self._state.network.train()
        self._logger.restart_clock()
        while progress.position.epoch == epoch:
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
            if self._is_save_due(progress):
                self._save(progress)
            if self._is_ending(interruption):
                return

    def _take_step(self, batches: Sequence[TrainingBatch], progress: Progress) -> Step:
        """Its random numbers depend on seed, step and rank alone, so that no generator state needs to be stored."""
        torch.manual_seed(seed_from("step", self._settings.seed, progress.step, self._processes.rank))
        try:
            return take_step(self._state, batches, self._processes, self._settings.clip, self._done(progress))
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise out_of_memory(f"in step {progress.step}", batches) from error
            raise

    def _end_epoch(self, progress: Progress, interruption: Interruption) -> None:
        """Evaluate and draw charts, with everything saved before."""
        epoch = progress.position.epoch
        is_last = epoch == self._settings.epochs
        if self._measure is not None and (is_last or epoch % self._settings.evaluate_every == 0):
            self._save(progress)
            if self._is_ending(interruption):
                return
            with interruption.immediate("saved; --resume repeats the evaluation"):
                self._evaluate(self._measure, progress)
        progress.evaluated = epoch
        self._logger.end_epoch(self._state.eval_model, is_last=is_last)

    def _evaluate(self, measure: Measure, progress: Progress) -> None:
        epoch = progress.position.epoch
        self._say(Evaluating(epoch))
        try:
            metrics = dict(measure(self._state.eval_model.eval()))
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise out_of_memory(f"in the evaluation after epoch {epoch}", ()) from error
            raise
        metrics = self._processes.from_first(metrics)
        is_best = progress.record(metrics, WATCHED[self._settings.task])
        if is_best and self._writer is not None:
            self._writer.save_best()
        self._logger.add_evaluation(progress)
        self._say(Evaluated(epoch, metrics, is_best))

    def _is_out_of_patience(self, progress: Progress) -> bool:
        patience = self._settings.patience
        if not patience or progress.stale < patience:
            return False
        text = f"no improvement in {progress.stale} evaluations: the best was after epoch {progress.best_epoch}"
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
        self._say(Saved(self._writer.save(progress)))

    def _set_rates(self, progress: Progress) -> float:
        """Returns the factor of the learning rates."""
        factor = self._schedule.factor(progress.step, self._done(progress))
        set_rates(self._state.optimizer, factor)
        return factor

    def _done(self, progress: Progress) -> float:
        """The fraction of the training."""
        return progress.epochs_done(self._sampling.images) / self._settings.epochs

    def _unfreeze(self, progress: Progress) -> None:
        """Train frozen parts when their steps are over; a resumed run begins with this, too."""
        if self._state.frozen and progress.step >= self._settings.freeze_steps:
            self._state.unfreeze()
            self._say(Noted(f"step {progress.step}: no longer frozen: {', '.join(self._settings.freeze)}"))
