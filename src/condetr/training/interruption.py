"""Ctrl-C and SIGTERM during training: noted until the step is done and saved, then passed to the former handlers."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType

from condetr.core.signals import handled_by
from condetr.training.run.events import EventHandler, Noted


class Interruption:
    """While entered, a first signal is only noted, as ``number``; a second one acts at once."""

    def __init__(self, say: EventHandler) -> None:
        self._say = say
        self.number: int | None = None
        self._handling = ExitStack()
        self._saved: str | None = None  # the message where the first signal, too, may act at once

    @property
    def requested(self) -> bool:
        return self.number is not None

    def __enter__(self) -> "Interruption":
        self._handling.enter_context(handled_by(self._handle))
        return self

    def __exit__(self, *_: object) -> None:
        self._handling.close()

    @contextmanager
    def acting_at_once(self, saved: str) -> Iterator[None]:
        """While entered, nothing can be lost, as the message ``saved`` says, and a first signal acts at once."""
        self._saved = saved
        try:
            yield
        finally:
            self._saved = None

    def hand_on(self, numbers: Sequence[int | None]) -> None:
        """Do what the signal of any process would have done without us: end, or raise what its handler raises."""
        self._handling.close()
        signal.raise_signal(max(filter(None, numbers)))

    def _handle(self, number: int, _: FrameType | None) -> None:
        self.number = number
        self._handling.close()
        name = signal.Signals(number).name
        if self._saved is None:
            self._say(Noted(f"{name}: saving after this step, --resume continues; once more ends it at once"))
        else:
            self._say(Noted(f"{name}: {self._saved}"))
            signal.raise_signal(number)
