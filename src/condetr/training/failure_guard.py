"""Failures in training steps that are no bugs: they are counted, reported, and end the run where there are too many."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import distributed

from condetr.core import out_of_memory as memory
from condetr.core.distributed import Peer
from condetr.core.errors import CondetrError, DataError, LostContactError, ModelError, first_line_of
from condetr.data.batches import TrainingBatch
from condetr.training.progress import Progress
from condetr.training.run.events import EventHandler, Warned
from condetr.training.steps import Step

# gloo raises a plain RuntimeError that begins with its source line
_GLOO = re.compile(r"\[\S*gloo[/\\]\S+:\d+\] ")
MOST_IN_A_ROW = 10  # skipped steps
MOST_WARNINGS = 3  # of one kind
KINDS = {
    "unmatched": "steps with more objects than queries",
    "overflow": "steps skipped while the fp16 gradient scale was adjusted",
    "non-finite": "steps skipped because of values that are not finite",
    "unreadable": "images left out because they cannot be read",
}


@dataclass(slots=True)
class FailureGuard:
    """Checks steps and batches: warns about what is skipped, and ends the run where it is too much."""

    non_finite: Literal["skip", "stop"]
    unreadable: Literal["skip", "stop"]
    say: EventHandler
    skipped_in_a_row: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def check_step(self, step: Step, progress: Progress) -> None:
        """Raises ModelError where training must not continue."""
        if step.unmatched:
            text = f"step {progress.step}: {step.unmatched} objects unmatched: more objects than queries"
            self._warn("unmatched", text)
        if step.skip_reason is None:
            self.skipped_in_a_row = 0
            return
        progress.skipped += 1
        self.skipped_in_a_row += not step.overflow
        reason = f"step {progress.step}: {step.skip_reason}"
        if self.non_finite == "stop" and not step.overflow:
            hint = "the weights are those before this step; try a lower --lr, or --set non_finite=skip"
            raise ModelError(reason, hint=hint)
        if self.skipped_in_a_row >= MOST_IN_A_ROW:
            hint = "the weights are those of the last good step; try a lower --lr or fp32"
            raise ModelError(f"{MOST_IN_A_ROW} steps in a row were skipped; the last: {reason}", hint=hint)
        self._warn("overflow" if step.overflow else "non-finite", f"skipped {reason}")

    def check_batches(self, batches: Sequence[TrainingBatch]) -> None:
        """Raises DataError for an unreadable image if the settings do not allow any."""
        for reason in (reason for batch in batches for reason in batch.unreadable):
            if self.unreadable == "stop":
                raise DataError(reason, hint="--set unreadable=skip continues without it")
            self._warn("unreadable", f"left out: {reason}")

    def report_totals(self) -> None:
        """At the end: the totals of warnings that were no longer printed."""
        for kind, count in self.counts.items():
            if count > MOST_WARNINGS:
                self.say(Warned(f"in total {count} {KINDS[kind]}"))

    def _warn(self, kind: str, text: str) -> None:
        count = self.counts[kind] = self.counts.get(kind, 0) + 1
        if count <= MOST_WARNINGS:
            self.say(Warned(text if count < MOST_WARNINGS else f"{text}; further ones are only counted"))


def out_of_memory(where: str, batches: Sequence[TrainingBatch]) -> ModelError:
    sizes = ", ".join("x".join(map(str, batch.pixels.shape)) for batch in batches)
    shapes = f", with batches of {sizes} (images x channels x height x width)" if sizes else ""
    return memory.out_of_memory(
        f"{where}{shapes}",
        hint="lower --batch (and raise --accumulate as much), --max-size or --image-size; or give --recompute",
    )


def is_lost_contact(error: RuntimeError) -> bool:
    """Whether the error means that another process of this run ended; file names in messages may hold any word."""
    if isinstance(error, CondetrError):
        return isinstance(error, LostContactError)
    return isinstance(error, distributed.DistError) or _GLOO.match(str(error)) is not None


def lost_contact(error: RuntimeError, step: int, dead: Sequence[Peer]) -> ModelError:
    processes = " and ".join(map(str, dead)) or "another process of this run"
    cause = error.reason if isinstance(error, CondetrError) else first_line_of(error)
    reason = f"lost {processes} in step {step}: {cause}"
    return LostContactError(reason, hint="its own output or the launcher's gives the cause; --resume continues the run")
