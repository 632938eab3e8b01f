"""SIGTERM and SIGINT, as events: the first asks to end in good order, the second to end now."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NUMBERS = (signal.SIGTERM, signal.SIGINT)


class Signals:
    def __init__(self) -> None:
        self.first, self.second = asyncio.Event(), asyncio.Event()

    def note(self) -> None:
        (self.second if self.first.is_set() else self.first).set()


@contextmanager
def signals(wakeup: int | None = None) -> Iterator[Signals]:
    """While this lasts they are noted, and do nothing else; only the main thread is told of them.

    Args:
        wakeup: a file that the number of a signal is written to at once, even where no thread of Python can run.
    """
    received = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    loop = asyncio.get_running_loop()

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001  the signature of a handler
        loop.call_soon_threadsafe(received.note)

    before = {number: signal.signal(number, note) for number in _NUMBERS}
    woken = None if wakeup is None else signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    try:
        yield received
    finally:
        if woken is not None:
            signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def unmoved() -> Iterator[None]:
    """While this lasts they do nothing: what is ending already is not to be cut off in the middle."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _NUMBERS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
