"""What a training run tells, in words, and a listener that says it on stderr to whoever calls it from Python."""

import sys
import time
from collections.abc import Mapping

from condetr.training.run.events import Evaluated, Event, Named, Noted, Started, Stepped, Warned

BETWEEN_LINES = 10.0  # seconds


def numbers_of(metrics: Mapping[str, float]) -> str:
    """Those that people compare."""
    return ", ".join(
        f"{name} {metrics[name]:.3f}" for name in ("ap", "ap50", "mask_ap", "mask_ap50", "pq") if name in metrics
    )


def text_of(event: Event, loss: float | None = None) -> str | None:
    """One line, or None for what nobody needs to read; ``loss`` is that of the last step."""
    match event:
        case Started():
            return f"{event.steps} steps of {event.images} images on {event.device}, in {event.folder}"
        case Evaluated():
            learned = "" if loss is None else f"loss {loss:.3f}, "
            best = ", the best so far" if event.is_best else ""
            return f"epoch {event.epoch}: {learned}{numbers_of(event.metrics)}{best}"
        case Noted():
            return event.text
        case Warned():
            return f"warning: {event.text}"
    return None


class ConsoleReporter:
    """Plain lines on stderr: what happens, and now and then how far it is."""

    def __init__(self) -> None:
        self._loss: float | None = None
        self._last = 0
        self._said = time.monotonic()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            self._last = event.done + event.steps
        if isinstance(event, Named):
            self._tell_now_and_then(f"naming step {event.step} of {event.steps}, loss {event.loss:.3f}")
        elif isinstance(event, Stepped):
            self._loss = event.loss
            left = (self._last - event.step) * event.seconds
            steps = f"step {event.step} of {self._last}, loss {event.loss:.3f}"
            self._tell_now_and_then(f"{steps}, {left / 60:.1f} min of steps left")
        elif (text := text_of(event, self._loss)) is not None:
            self._say(text)

    def _tell_now_and_then(self, text: str) -> None:
        if time.monotonic() - self._said >= BETWEEN_LINES:
            self._say(text)

    def _say(self, text: str) -> None:
        self._said = time.monotonic()
        if sys.stderr is not None:
            sys.stderr.write(f"condetr: {text}\n")
            sys.stderr.flush()
