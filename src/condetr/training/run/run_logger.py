"""Logs a run as it trains: rows of metrics, charts, sample images, progress events, trackers."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from condetr.model.detector import ConditionalDetr
from condetr.training.input.sampling import Sampling
from condetr.training.processes import Processes
from condetr.training.progress import Progress
from condetr.training.run.checkpoint_writer import CheckpointWriter
from condetr.training.run.events import EventHandler, Noted, Stepped, Warned
from condetr.training.run.metrics_log import MetricsLog, Row
from condetr.training.run.sample_sheets import SampleSheets
from condetr.training.steps import MEASURED, Step

REDRAW = 20.0  # seconds between two drawings
SMOOTHING = 0.9  # EMA decay of the seconds per step
ROWS_PER_EPOCH = 20
MOST_STEPS_PER_ROW = 50


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The files of a run that change as it trains; the first process writes them."""

    checkpoints: CheckpointWriter
    metrics: MetricsLog
    sheets: SampleSheets


class RunLogger:
    """Used on every process, since metrics are averaged over all; ``files`` exist on the first only."""

    def __init__(
        self,
        processes: Processes,
        sampling: Sampling,
        files: RunFiles | None,
        diagnoses: Sequence[Callable[[Sequence[Row]], str | None]],
        say: EventHandler,
    ) -> None:
        """Each of the ``diagnoses`` returns a warning if the rows so far show that something is wrong."""
        self._processes, self._sampling, self._files = processes, sampling, files
        self._diagnoses, self._say = list(diagnoses), say
        self._steps_per_row = min(MOST_STEPS_PER_ROW, -(-sampling.images // (sampling.step_size * ROWS_PER_EPOCH)))
        self._steps: list[Step] = []  # since the last row
        self._slivers = self._all_slivers = 0  # since the last row, and since the start
        self._clock = time.monotonic()
        self._seconds_per_step = 0.0
        self._drawn = -math.inf

    def add_step(self, step: Step, progress: Progress, rates: Mapping[str, float], *, slivers: int = 0) -> None:
        """``progress`` includes the step; ``slivers`` are objects dropped from its images, see `TrainingBatch`."""
        now = time.monotonic()
        seconds, self._clock = now - self._clock, now
        smooth = SMOOTHING * self._seconds_per_step + (1 - SMOOTHING) * seconds
        self._seconds_per_step = smooth if self._seconds_per_step else seconds
        self._steps.append(step)
        self._slivers += slivers
        self._all_slivers += slivers
        self._say(Stepped(progress.step, self.epoch(progress), step.measured[0], self._seconds_per_step))
        if progress.step % self._steps_per_row == 0 or progress.position.offset == 0:
            speed = self._sampling.step_size / self._seconds_per_step
            self._add(progress, {**rates, **self._means(), "pictures_per_second": speed})

    def restart_clock(self) -> None:
        """Do not count the time since the last step."""
        self._clock = time.monotonic()

    def add_evaluation(self, progress: Progress) -> None:
        self._add(progress, progress.metrics)

    def end_epoch(self, detector: ConditionalDetr, *, is_last: bool) -> None:
        """Draw charts and samples, at most every `REDRAW` seconds, and warn once of each problem."""
        if self._files is None:
            return
        rows, sheets = self._files.metrics.rows, self._files.sheets
        for diagnose in tuple(self._diagnoses):
            if (text := diagnose(rows)) is not None:
                self._say(Warned(text))
                self._diagnoses.remove(diagnose)
        if is_last or time.monotonic() - self._drawn > REDRAW:
            sheets.save_curves(rows)
            sheets.save_predictions(detector)
            self._drawn = time.monotonic()
        if is_last:
            sheets.report_totals()

    def report_totals(self) -> None:
        if self._all_slivers:
            text = f"crops dropped {self._all_slivers} objects of which they kept less than min_visibility"
            self._say(Noted(text))
        if self._files is not None:
            self._files.metrics.report_totals()

    def _means(self) -> dict[str, float]:
        """Over the steps since the last row, and over all processes."""
        taken = [step for step in self._steps if step.skip_reason is None]
        columns = list(zip(*((*step.measured, step.gradient_norm) for step in taken), strict=True))
        means = self._processes.mean([fmean(column) for column in columns] or [math.nan] * (len(MEASURED) + 1))
        named = zip((*MEASURED, "gradient"), means, strict=True)
        counts = {"skipped": len(self._steps) - len(taken), "unmatched": sum(step.unmatched for step in taken)}
        counts["slivers"] = self._slivers
        self._steps, self._slivers = [], 0
        return {name: value for name, value in named if math.isfinite(value)} | counts

    def epoch(self, progress: Progress) -> float:
        """Epochs done, with three decimals."""
        return round(progress.epochs_done(self._sampling.images), 3)

    def _add(self, progress: Progress, values: Mapping[str, Any]) -> None:
        if self._files is not None:
            self._files.metrics.add({"step": progress.step, "epoch": self.epoch(progress), **values})
            self._processes.track(values, progress.step)
