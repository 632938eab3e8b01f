"""Ctrl-C and SIGTERM in a command: stop at once, or finish the current image first."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from condetr.cli.output.reporting import say
from condetr.core.signals import handled_by


class Stopped(BaseException):
    """A signal ends the program; no handler of ordinary errors may catch this."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_status = 128 + number


class Interruption:
    """The number of the signal that arrived, if one did."""

    def __init__(self) -> None:
        self.number: int | None = None

    def __bool__(self) -> bool:
        return self.number is not None

    def end(self) -> None:
        """Raise ``Stopped`` if a signal arrived, now that everything is tidy."""
        if self.number is not None:
            raise Stopped(self.number)


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """A signal raises ``Stopped``."""

    def stop(number: int, _: FrameType | None) -> None:
        raise Stopped(number)

    with handled_by(stop):
        yield


@contextmanager
def finishing_first() -> Iterator[Interruption]:
    """The first signal is noted in the result, the second raises ``Stopped``."""
    interruption = Interruption()

    def note(number: int, _: FrameType | None) -> None:
        if interruption:
            raise Stopped(number)
        interruption.number = number
        say("condetr: stopping after the current image; once more to stop at once")

    with handled_by(note):
        yield interruption
