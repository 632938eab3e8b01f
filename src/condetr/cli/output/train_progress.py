"""The events of a training run on stderr: a progress bar of steps, and a line for every other event."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from condetr.cli.output.progress_bar import Step, progress
from condetr.cli.output.reporting import Reporter

if TYPE_CHECKING:
    from condetr.training.run.events import Event


@contextmanager
def handling_events(reporter: Reporter) -> Iterator[Callable[["Event"], None]]:
    """Yields the handler that training calls with every event."""
    with ExitStack() as stack:
        yield _EventHandler(reporter, stack)


class _EventHandler:
    def __init__(self, reporter: Reporter, stack: ExitStack) -> None:
        self._reporter, self._stack = reporter, stack
        self._step: Step = lambda _="": None
        self._loss: float | None = None

    def __call__(self, event: "Event") -> None:
        from condetr.training.run import events
        from condetr.training.run.console import text_of

        match event:
            case events.ImageChecked():
                if event.image == 1:
                    self._begin("images", event.images)
                self._step()
            case events.BackbonePretrained():
                if event.step == 1:
                    self._begin("backbone pretraining steps", event.steps)
                self._step(f"loss {event.loss:.3f}")
            case events.Stepped():
                self._loss = event.loss
                self._step()
            case events.Evaluating():
                self._reporter.detail(f"condetr: epoch {event.epoch:g}: measuring")
            case events.Saved():
                self._reporter.detail(f"condetr: saved {event.path}")
            case events.Warned():
                self._reporter.warn(event.text)
            case _ if (text := text_of(event, self._loss)) is not None:
                self._reporter.note(f"condetr: {text}")
        if isinstance(event, events.Started | events.Planned):
            self._begin("steps", event.steps)

    def _begin(self, what: str, steps: int | None) -> None:
        """Show the progress of these steps, instead of the previous ones."""
        self._stack.close()
        self._step = self._stack.enter_context(progress(what, steps, self._reporter))
