"""The loop: steps, and at the end of each epoch what is measured and kept."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
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
from condetr.training.run.checkpoint_writer import CheckpointWriter
from condetr.training.run.events import Evaluated, Evaluating, EventHandler, Noted, Saved
from condetr.training.run.run_logger import Journal
from condetr.training.settings import TrainingSettings
from condetr.training.steps import Step, take_step
from condetr.training.train_state import TrainState

Measure: TypeAlias = Callable[[ConditionalDetr], Mapping[str, float]]
WATCHED: dict[Task, str] = {"detect": "ap", "instance": "mask_ap", "panoptic": "pq"}  # decides which model is best
APART = 100  # steps between the checkpoints of short epochs


@dataclass(frozen=True, slots=True)
class Loop:
    """Attributes: ``keeper`` is with the first process only; ``measure`` says how good the detector is, if anything."""

    settings: TrainingSettings
    schedule: Schedule
    sampling: Sampling
    learner: TrainState
    processes: Processes
    watch: FailureGuard
    journal: Journal
    keeper: CheckpointWriter | None
    measure: Measure | None
    say: EventHandler

    def run(self, feed: Iterator[list[TrainingBatch]], progress: Progress) -> None:
        """From ``progress`` to the end, or to a signal, which is handed on when everything is saved.

        Raises:
            ModelError: training cannot go on; the last good step is saved.
        """
        try:
            self._run(feed, progress)
        except RuntimeError as error:  # ModelError is one
            if is_lost_contact(error):
                raise lost_contact(error, progress.step, self.processes.dead_peers()) from error
            if isinstance(error, ModelError):
                with suppress(CheckpointError):  # the weights may be what is broken, and is not worth keeping
                    self._save(progress)
            raise
        finally:
            self.watch.sum_up()

    def _run(self, feed: Iterator[list[TrainingBatch]], progress: Progress) -> None:
        with Interruption(self.say) as interruption:
            self._save(progress)  # from here on there always is something to go on from
            if progress.position.offset == 0 and progress.evaluated < progress.position.epoch:
                self._end_epoch(progress, interruption)  # the run was stopped before it was measured
            while not self._is_over(progress, interruption):
                self._run_epoch(feed, progress, interruption)
                if progress.position.offset == 0:
                    self._end_epoch(progress, interruption)
            self._save(progress)
        if self.processes.any(interruption.requested):
            interruption.hand_on(self.processes.gather(interruption.number))

    def _is_over(self, progress: Progress, interruption: Interruption) -> bool:
        if self.processes.any(interruption.requested) or progress.position.epoch >= self.settings.epochs:
            return True
        return self._is_stale(progress)

    def _run_epoch(self, feed: Iterator[list[TrainingBatch]], progress: Progress, interruption: Interruption) -> None:
        """To its end, or to a signal."""
        epoch = progress.position.epoch
        self.learner.network.train()
        self.journal.restart_clock()
        while progress.position.epoch == epoch:
            batches = next(feed)
            self.watch.look_at(batches)
            factor = self._set_rates(progress)
            step = self._take_step(batches, progress)
            self.watch.judge(step, progress)
            if step.left_out is None and self.learner.average is not None:
                self.learner.average.update(self.learner.supervised.detector)
            progress.step += 1
            progress.position = self.sampling.after(progress.position)
            self.journal.tell(step, progress, {name: rate * factor for name, rate in self._rates.items()})
            if self._is_save_due(progress):
                self._save(progress)
            if self.processes.any(interruption.requested):
                return

    def _take_step(self, batches: Sequence[TrainingBatch], progress: Progress) -> Step:
        """All its random numbers depend on its number alone, so that none need to be stored."""
        torch.manual_seed(seed_from("step", self.settings.seed, progress.step, self.processes.rank))
        try:
            return take_step(self.learner, batches, self.processes, self.settings.clip)
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise out_of_memory(f"in step {progress.step}", batches) from error
            raise

    def _end_epoch(self, progress: Progress, interruption: Interruption) -> None:
        """Measure, and show what there is; all that was learned is saved before, whatever may happen meanwhile."""
        epoch = progress.position.epoch
        is_last = epoch == self.settings.epochs
        if self.measure is not None and (is_last or epoch % self.settings.evaluate_every == 0):
            self._save(progress)
            if self.processes.any(interruption.requested):
                return
            with interruption.acting_at_once("saved; --resume repeats the evaluation"):
                self._evaluate(self.measure, progress)
        progress.evaluated = epoch
        self.journal.end_epoch(self.learner.eval_model, is_last=is_last)

    def _evaluate(self, measure: Measure, progress: Progress) -> None:
        epoch = progress.position.epoch
        self.say(Evaluating(epoch))
        try:
            metrics = dict(measure(self.learner.eval_model.eval()))
        except (MemoryError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise out_of_memory(f"in the evaluation after epoch {epoch}", ()) from error
            raise
        metrics = self.processes.from_first(metrics)
        is_best = progress.record(metrics, WATCHED[self.settings.task])
        if is_best and self.keeper is not None:
            self.keeper.model(self.keeper.folder.best)
        self.journal.evaluated(progress)
        self.say(Evaluated(epoch, metrics, is_best))

    def _is_stale(self, progress: Progress) -> bool:
        patience = self.settings.patience
        if not patience or progress.stale < patience:
            return False
        self.say(
            Noted(f"no better result for {progress.stale} evaluations: the best was after epoch {progress.best_epoch}")
        )
        return True

    def _is_save_due(self, progress: Progress) -> bool:
        every = self.settings.save_every
        if every and progress.step % every == 0:
            return True
        return progress.position.offset == 0 and progress.step - progress.saved >= APART

    def _save(self, progress: Progress) -> None:
        if self.keeper is None or progress.saved == progress.step:
            return
        progress.saved = progress.step
        self.keeper.model(self.keeper.folder.last)  # refuses weights that are not finite
        self.say(Saved(self.keeper.checkpoint(progress)))

    @property
    def _rates(self) -> dict[str, float]:
        return {"lr": self.settings.lr, "lr_backbone": self.settings.lr_backbone}

    def _set_rates(self, progress: Progress) -> float:
        done = progress.epochs_done(self.sampling.images) / self.settings.epochs
        factor = self.schedule.factor(progress.step, done)
        set_rates(self.learner.optimizer, factor)
        return factor
