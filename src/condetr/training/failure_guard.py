"""What can go wrong in a step beyond our control, in words that say what to do."""

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

# gloo raises a plain RuntimeError, which begins with the line of its source
_GLOO = re.compile(r"\[\S*gloo[/\\]\S+:\d+\] ")
IN_A_ROW = 10  # steps left out one after the other: this is no accident
SHOWN = 3  # warnings of one kind
KINDS = {
    "unmatched": "steps with more objects than queries",
    "overflow": "steps left out while fp16 found its gradient scale",
    "non-finite": "steps left out because of numbers that are not finite",
    "unreadable": "images left out because they cannot be read",
}


@dataclass(slots=True)
class FailureGuard:
    """Judges steps and batches: what is skipped is counted and said, what is too much ends the run."""

    non_finite: Literal["skip", "stop"]
    unreadable: Literal["skip", "stop"]
    say: EventHandler
    in_a_row: int = 0
    said: dict[str, int] = field(default_factory=dict)

    def judge(self, step: Step, progress: Progress) -> None:
        """Raises ModelError where training must not go on."""
        if step.unmatched:
            self._warn(
                "unmatched", f"step {progress.step}: {step.unmatched} objects have no query, for want of queries"
            )
        if step.left_out is None:
            self.in_a_row = 0
            return
        progress.skipped += 1
        self.in_a_row += not step.overflow
        said = f"step {progress.step}: {step.left_out}"
        if self.non_finite == "stop" and not step.overflow:
            raise ModelError(
                said, hint="the weights are those before this step; try a lower --lr, or --set non_finite=skip"
            )
        if self.in_a_row >= IN_A_ROW:
            hint = "the weights are those of the last good step; try a lower --lr or fp32"
            raise ModelError(f"{IN_A_ROW} steps in a row were left out; the last: {said}", hint=hint)
        self._warn("overflow" if step.overflow else "non-finite", f"left out, {said}")

    def look_at(self, batches: Sequence[TrainingBatch]) -> None:
        """Raises DataError for an unreadable image if that is to end the run."""
        for said in (said for batch in batches for said in batch.unreadable):
            if self.unreadable == "stop":
                raise DataError(said, hint="--set unreadable=skip goes on without")
            self._warn("unreadable", f"left out: {said}")

    def sum_up(self) -> None:
        """At the end: how often that happened which was no longer written out."""
        for kind, count in self.said.items():
            if count > SHOWN:
                self.say(Warned(f"in all {count} {KINDS[kind]}"))

    def _warn(self, kind: str, text: str) -> None:
        self.said[kind] = self.said.get(kind, 0) + 1
        if self.said[kind] <= SHOWN:
            self.say(Warned(text if self.said[kind] < SHOWN else f"{text}; from here on these are only counted"))


def out_of_memory(where: str, batches: Sequence[TrainingBatch]) -> ModelError:
    sizes = ", ".join("x".join(map(str, batch.pixels.shape)) for batch in batches)
    given = f", with batches of {sizes} (images x colors x height x width)" if sizes else ""
    return memory.out_of_memory(
        f"{where}{given}",
        hint="lower --batch (and raise --accumulate as much), --max-size or --image-size; or give --recompute",
    )


def is_lost_contact(error: RuntimeError) -> bool:
    """Whether it is how another process of this training is found to be gone; a file name may hold any word."""
    if isinstance(error, CondetrError):
        return isinstance(error, LostContactError)
    return isinstance(error, distributed.DistError) or _GLOO.match(str(error)) is not None


def lost_contact(error: RuntimeError, step: int, gone: Sequence[Peer]) -> ModelError:
    who = " and ".join(map(str, gone)) or "another process of this training"
    cause = error.reason if isinstance(error, CondetrError) else first_line_of(error)
    reason = f"{who} is gone or cut off, in step {step}: {cause}"
    return LostContactError(reason, hint="its own output, or the launcher's, says why; --resume goes on")
