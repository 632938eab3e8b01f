"""What a run tells about itself as it goes: rows of measures, curves, sample images, progress."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any

from condetr.model.detector import ConditionalDetr
from condetr.training.processes import Processes
from condetr.training.progress import Progress
from condetr.training.run.events import EventHandler, Stepped, Warned
from condetr.training.run.metrics_log import MetricsLog, Row
from condetr.training.run.sample_sheets import SampleSheets
from condetr.training.steps import MEASURED, Step

REDRAW = 20.0  # seconds between two drawings
SMOOTH = 0.9  # memory of the pace that is shown
ROWS = 20  # an epoch, at least every 50 steps
FEWEST = 50


class Journal:
    """Every process tells its steps; the first has a log and a showcase, and writes."""

    def __init__(
        self,
        processes: Processes,
        log: MetricsLog | None,
        showcase: SampleSheets | None,
        diagnose: Callable[[Sequence[Row]], str | None],
        say: EventHandler,
        *,
        images: int,
        step_size: int,
    ) -> None:
        self._processes, self._log, self._showcase = processes, log, showcase
        self._diagnose, self._say = diagnose, say
        self._images, self._step_size = images, step_size
        self._every = min(FEWEST, -(-images // (step_size * ROWS)))
        self._since: list[Step] = []  # the last row
        self._at = time.monotonic()
        self._pace = 0.0
        self._drawn = -math.inf
        self._is_diagnosed = False

    def tell(self, step: Step, progress: Progress, rates: Mapping[str, float]) -> None:
        """After a step was counted."""
        now = time.monotonic()
        seconds, self._at = now - self._at, now
        self._pace = SMOOTH * self._pace + (1 - SMOOTH) * seconds if self._pace else seconds
        self._since.append(step)
        self._say(Stepped(progress.step, self._epoch(progress), step.measured[0], self._pace))
        if progress.step % self._every == 0 or progress.position.offset == 0:
            self._add(progress, {**rates, **self._means(), "pictures_per_second": self._step_size / self._pace})

    def restart_clock(self) -> None:
        """What took the time until now was no step."""
        self._at = time.monotonic()

    def evaluated(self, progress: Progress) -> None:
        self._add(progress, progress.metrics)

    def end_epoch(self, detector: ConditionalDetr, *, is_last: bool) -> None:
        """Draw what there is to see, unless that was done a moment ago, and warn once if nothing is learned."""
        if self._log is None or self._showcase is None:
            return
        if not self._is_diagnosed and (said := self._diagnose(self._log.rows)):
            self._say(Warned(said))
            self._is_diagnosed = True
        if is_last or time.monotonic() - self._drawn > REDRAW:
            self._showcase.show_curves(self._log.rows)
            self._showcase.show_predictions(detector)
            self._drawn = time.monotonic()
        if is_last:
            self._showcase.sum_up()

    def _means(self) -> dict[str, float]:
        """Of the steps since the last row, over all processes."""
        taken = [step for step in self._since if step.left_out is None]
        columns = list(zip(*((*step.measured, step.gradient) for step in taken), strict=True))
        means = self._processes.mean([fmean(column) for column in columns] or [math.nan] * (len(MEASURED) + 1))
        named = zip((*MEASURED, "gradient"), means, strict=True)
        counts = {"skipped": len(self._since) - len(taken), "unmatched": sum(step.unmatched for step in taken)}
        self._since = []
        return {name: value for name, value in named if math.isfinite(value)} | counts

    def _epoch(self, progress: Progress) -> float:
        """Times that every image was seen."""
        return round(progress.epochs_done(self._images), 3)

    def _add(self, progress: Progress, values: Mapping[str, Any]) -> None:
        if self._log is not None:
            self._log.add({"step": progress.step, "epoch": self._epoch(progress), **values})
            self._processes.track(values, progress.step)
