"""What a training run tells, as a person sees it: a bar of steps, and a line for whatever else happens."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import fmean
from typing import TYPE_CHECKING

from condetr.cli.progress import progress
from condetr.cli.reporting import Reporter

if TYPE_CHECKING:
    from condetr.training.events import Event, Named


@contextmanager
def listening(reporter: Reporter) -> Iterator[Callable[["Event"], None]]:
    """Gives what training calls with everything that happens."""
    with ExitStack() as stack:
        yield _Listener(reporter, stack)


class _Listener:
    def __init__(self, reporter: Reporter, stack: ExitStack) -> None:
        self._reporter, self._stack = reporter, stack
        self._step: Callable[[], None] = lambda: None
        self._loss: float | None = None
        self._right: deque[float] = deque(maxlen=100)  # shares of the latest steps

    def __call__(self, event: "Event") -> None:
        from condetr.training import events

        match event:
            case events.Started():
                where = f"{event.steps} steps of {event.pictures} pictures on {event.device}"
                self._reporter.note(f"condetr: {where}, in {event.folder}")
                self._step = self._stack.enter_context(progress("steps", event.steps, self._reporter))
            case events.Named():
                self._named(event)
            case events.Stepped():
                self._loss = event.loss
                self._step()
            case events.Evaluated():
                numbers = ", ".join(
                    f"{name} {event.metrics[name]:.3f}" for name in ("ap", "ap50") if name in event.metrics
                )
                loss = "" if self._loss is None else f"loss {self._loss:.3f}, "
                best = ", the best so far" if event.is_best else ""
                self._reporter.note(f"condetr: epoch {event.epoch}: {loss}{numbers}{best}")
            case events.Evaluating():
                self._reporter.detail(f"condetr: epoch {event.epoch}: measuring")
            case events.Saved():
                self._reporter.detail(f"condetr: saved {event.path}")
            case events.Noted():
                self._reporter.note(f"condetr: {event.text}")
            case events.Warned():
                self._reporter.warn(event.text)

    def _named(self, event: "Named") -> None:
        if event.step == 1:
            self._reporter.note("condetr: first the backbone learns to name what lies on its cells")
            self._step = self._stack.enter_context(progress("naming", event.steps, self._reporter))
        self._step()
        if event.cells:
            self._right.append(event.right / event.cells)
        if event.step == event.steps:
            self._stack.close()
            share = fmean(self._right) if self._right else 0.0
            self._reporter.note(f"condetr: {share:.0%} of the objects' cells are named right")
