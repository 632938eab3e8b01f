"""SIGTERM and SIGINT as events: the first asks for an orderly end, the second for an end now."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from condetr.core.signals import handled_by


class Signals:
    def __init__(self) -> None:
        self.first, self.second = asyncio.Event(), asyncio.Event()

    def note(self) -> None:
        (self.second if self.first.is_set() else self.first).set()


@contextmanager
def signals(wakeup: int | None = None) -> Iterator[Signals]:
    """The signals are noted and have no other effect; only in the main thread, which alone receives them.

    Args:
        wakeup: a file that the number of a signal is written to at once, even where no thread of Python can run.
    """
    received, loop = Signals(), asyncio.get_running_loop()

    def note(_: int, __: FrameType | None) -> None:
        loop.call_soon_threadsafe(received.note)

    with handled_by(note) as handled:
        former = signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False) if handled and wakeup is not None else None
        try:
            yield received
        finally:
            if former is not None:
                signal.set_wakeup_fd(former)
