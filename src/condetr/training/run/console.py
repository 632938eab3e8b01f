"""Printed lines of a training run, and an event handler that prints them to stderr."""

import sys
import time
from collections.abc import Mapping

from condetr.training.run.events import (
    BackbonePretrained,
    Evaluated,
    Event,
    ImageChecked,
    Noted,
    Planned,
    Started,
    Stepped,
    Warned,
)

INTERVAL = 10.0  # seconds between two progress lines
COMPARED = ("ap", "ap50", "mask_ap", "mask_ap50", "pq")


def summary_of(metrics: Mapping[str, float]) -> str:
    """The metrics that people compare."""
    return ", ".join(f"{name} {metrics[name]:.3f}" for name in COMPARED if name in metrics)


def text_of(event: Event, loss: float | None = None) -> str | None:
    """One line, or None for events that are not printed; ``loss`` is that of the last step."""
    match event:
        case Started():
            steps = "steps" if event.steps is None else f"{event.steps} steps"
            return f"{steps} of {event.images} images on {event.device}, in {event.folder}"
        case Evaluated(epoch=0):
            return f"start model: {summary_of(event.metrics)}"
        case Evaluated():
            loss_text = "" if loss is None else f"loss {loss:.3f}, "
            best = ", the best so far" if event.is_best else ""
            return f"epoch {event.epoch:g}: {loss_text}{summary_of(event.metrics)}{best}"
        case Noted() | Planned():
            return event.text
        case Warned():
            return f"warning: {event.text}"
    return None


class ConsoleReporter:
    """Prints events to stderr, and progress every `INTERVAL` seconds."""

    def __init__(self) -> None:
        self._loss: float | None = None
        self._last_step: int | None = None
        self._printed = time.monotonic()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started | Planned):
            self._last_step = None if event.steps is None else event.done + event.steps
        if isinstance(event, ImageChecked):
            self._print_progress(f"image {event.image} of {event.images} is checked")
        elif isinstance(event, BackbonePretrained):
            self._print_progress(f"backbone pretraining step {event.step} of {event.steps}, loss {event.loss:.3f}")
        elif isinstance(event, Stepped):
            self._loss = event.loss
            if self._last_step is None:
                self._print_progress(f"step {event.step}, loss {event.loss:.3f}")
                return
            left = (self._last_step - event.step) * event.seconds
            steps = f"step {event.step} of {self._last_step}, loss {event.loss:.3f}"
            self._print_progress(f"{steps}, {left / 60:.1f} min of steps left")
        elif (text := text_of(event, self._loss)) is not None:
            self._print(text)

    def _print_progress(self, text: str) -> None:
        if time.monotonic() - self._printed >= INTERVAL:
            self._print(text)

    def _print(self, text: str) -> None:
        self._printed = time.monotonic()
        if sys.stderr is not None:
            sys.stderr.write(f"condetr: {text}\n")
            sys.stderr.flush()
