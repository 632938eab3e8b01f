"""Ctrl-C and SIGTERM: delayed until the step is done and saved, then raised again for the previous handlers."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType

from condetr.core.signals import handled_by
from condetr.training.run.events import EventHandler, Noted


class Interruption:
    """While entered, the first signal is only stored, as ``number``; a second one acts immediately."""

    def __init__(self, say: EventHandler) -> None:
        self._say = say
        self.number: int | None = None
        self._handling = ExitStack()
        self._message: str | None = None  # where the first signal acts immediately, too

    @property
    def requested(self) -> bool:
        return self.number is not None

    def __enter__(self) -> "Interruption":
        self._handling.enter_context(handled_by(self._handle))
        return self

    def __exit__(self, *_: object) -> None:
        self._handling.close()

    @contextmanager
    def immediate(self, message: str) -> Iterator[None]:
        """While entered, a signal prints ``message`` and acts immediately, since nothing can be lost."""
        self._message = message
        try:
            yield
        finally:
            self._message = None

    def raise_again(self, numbers: Sequence[int | None]) -> None:
        """Raise the signal that any process received, with the previous handlers in place."""
        self._handling.close()
        signal.raise_signal(max(filter(None, numbers)))

    def _handle(self, number: int, _: FrameType | None) -> None:
        self.number = number
        self._handling.close()
        name = signal.Signals(number).name
        if self._message is None:
            self._say(Noted(f"{name}: saving after this step; --resume continues; a second signal stops immediately"))
        else:
            self._say(Noted(f"{name}: {self._message}"))
            signal.raise_signal(number)
