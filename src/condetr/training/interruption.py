"""Ctrl-C and SIGTERM: remembered until the step is done and saved, then handed on to whoever handled them before."""

import signal
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

from condetr.training.events import Noted, Say

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While entered, a first signal is only remembered, as ``number``; a second one acts at once."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self.number: int | None = None
        self._before: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        return self.number is not None

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():  # others cannot be interrupted
            self._before = {number: signal.signal(number, self._remember) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def hand_on(self, numbers: Sequence[int | None]) -> None:
        """What the signal would have done to the process that got it: end it, or raise what its handler raises."""
        self._restore()
        signal.raise_signal(max(filter(None, numbers)))

    def _remember(self, number: int, _: FrameType | None) -> None:
        self.number = number
        self._restore()
        name = signal.Signals(number).name
        self._say(Noted(f"{name}: saving after this step, to go on with --resume; once more ends it at once"))

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
