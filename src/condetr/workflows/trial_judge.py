"""Ends a trial of a search early: at the end of the time, or where other trials were better at the same point."""

import math
import time
from typing import Any

from condetr.training.run.callbacks import StopTraining
from condetr.training.run.events import Evaluated, Started, Stepped

PARTS = 10  # of a training, at whose ends trials are compared


class TrialJudge:
    """A callback: reports the evaluations of a trial; ends it at the end, or where others are better."""

    def __init__(self, trial: Any, watched: str, end: float) -> None:
        self._trial, self._watched, self._end, self.is_ended = trial, watched, end, False
        self._steps, self._step, self._reported = 1, 0, -1

    def on_started(self, event: Started) -> None:
        self._steps = event.done + (event.steps or 0)

    def on_stepped(self, event: Stepped) -> None:
        self._step = event.step
        if time.monotonic() > self._end and self._step < self._steps:
            self.is_ended = True
            raise StopTraining("the time of the search is over")

    def on_evaluated(self, event: Evaluated) -> None:
        part = math.floor(PARTS * self._step / self._steps)
        if part <= self._reported or part >= PARTS:
            return
        self._reported = part
        self._trial.report(event.metrics[self._watched], part)
        if self._trial.should_prune():
            self.is_ended = True
            raise StopTraining("other trials were better at this point")
