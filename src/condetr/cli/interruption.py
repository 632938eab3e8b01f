"""Ctrl-C and SIGTERM during long work: finish what is in hand, then stop."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from condetr.cli.outcome import interrupted_by
from condetr.cli.reporting import say


class Interruption:
    """``signal`` is the one that came, or None."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def __bool__(self) -> bool:
        return self.signal is not None

    def end(self) -> None:
        """Go the way the signal asked for, now that everything is tidy."""
        if self.signal is not None:
            interrupted_by(self.signal)


@contextmanager
def finishing_first() -> Iterator[Interruption]:
    """While this lasts the first signal only notes that it came; the second one stops at once."""
    interruption = Interruption()

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the signature of a handler
        if interruption:
            interrupted_by(signal.Signals(number))
        interruption.signal = signal.Signals(number)
        say("condetr: stopping after the picture in hand; once more to stop at once")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
