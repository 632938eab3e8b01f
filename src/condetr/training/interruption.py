"""Ctrl-C and SIGTERM: remembered until the step is done and saved, then handed on to whoever handled them before."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from condetr.training.run.events import EventHandler, Noted

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While entered, a first signal is only remembered, as ``number``; a second one acts at once."""

    def __init__(self, say: EventHandler) -> None:
        self._say = say
        self.number: int | None = None
        self._before: dict[int, Any] = {}
        self._saved: str | None = None  # what to say where the first one, too, may act at once

    @property
    def requested(self) -> bool:
        return self.number is not None

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():  # others cannot be interrupted
            self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    @contextmanager
    def acting_at_once(self, saved: str) -> Iterator[None]:
        """While entered, nothing can be lost, and ``saved`` says so."""
        self._saved = saved
        try:
            yield
        finally:
            self._saved = None

    def hand_on(self, numbers: Sequence[int | None]) -> None:
        """What the signal would have done to the process that got it: end it, or raise what its handler raises."""
        self._restore()
        signal.raise_signal(max(filter(None, numbers)))

    def _handle(self, number: int, _: FrameType | None) -> None:
        self.number = number
        self._restore()
        name = signal.Signals(number).name
        if self._saved is None:
            self._say(Noted(f"{name}: saving after this step, to go on with --resume; once more ends it at once"))
        else:
            self._say(Noted(f"{name}: {self._saved}"))
            signal.raise_signal(number)

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
