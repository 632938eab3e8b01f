"""SIGTERM and SIGINT as events: the first asks for an orderly end, the second for an end now."""

import asyncio
import signal
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from condetr.core.signals import handled_by


class Signals:
    def __init__(self) -> None:
        self.first, self.second = asyncio.Event(), asyncio.Event()

    def note(self) -> None:
        (self.second if self.first.is_set() else self.first).set()


@contextmanager
def signals(wakeup: int | None = None) -> Iterator[Signals]:
    """Both signals set events and have no other effect; only in the main thread, which alone receives them.

    Args:
        wakeup: a file descriptor to which the signal number is written at once, even if no Python thread can run.
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


async def first_of(*awaited: Awaitable[Any]) -> None:
    """Wait until one is done. Tasks keep running; coroutines are cancelled."""
    tasks = [asyncio.ensure_future(each) for each in awaited]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, each in zip(tasks, awaited, strict=True):
        if task is not each:
            task.cancel()
