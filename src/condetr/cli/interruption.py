"""Ctrl-C and SIGTERM: stop at once, or in long work finish what is in hand first."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from condetr.cli.output.reporting import say

_NUMBERS = (signal.SIGINT, signal.SIGTERM)
_handlers: list[Callable[[int, FrameType | None], None]] = []  # that are set, the latest last


class Stopped(BaseException):
    """A signal came that ends the program; no handler of ordinary errors may catch it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_status = 128 + number


class Interruption:
    """Which signal came, if one did."""

    def __init__(self) -> None:
        self.number: int | None = None

    def __bool__(self) -> bool:
        return self.number is not None

    def end(self) -> None:
        """Go the way the signal asked for, now that everything is tidy."""
        if self.number is not None:
            raise Stopped(self.number)


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """While this lasts a signal raises ``Stopped``."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the signature of a handler
        raise Stopped(number)

    with _handled_by(stop):
        yield


@contextmanager
def finishing_first() -> Iterator[Interruption]:
    """While this lasts the first signal is only noted; the second one stops at once."""
    interruption = Interruption()

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the signature of a handler
        if interruption:
            raise Stopped(number)
        interruption.number = number
        say("condetr: stopping after the image in hand; once more to stop at once")

    with _handled_by(note):
        yield interruption


@contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only the main thread is told of signals
        yield
        return
    before = {number: signal.signal(number, handler) for number in _NUMBERS}
    _handlers.append(handler)
    try:
        yield
    finally:
        del _handlers[-1:]  # in a child they are gone already
        for number, handled in before.items():
            signal.signal(number, handled)


def _as_by_default() -> None:
    """A child that a library forks is ended by a signal; ours would go on in the middle of our program."""
    if _handlers:
        _handlers.clear()
        for number in _NUMBERS:
            signal.signal(number, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_as_by_default)
