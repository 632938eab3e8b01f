"""SIGTERM and SIGINT, as events: the first asks to end in good order, the second to end now."""

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_NUMBERS = (signal.SIGTERM, signal.SIGINT)


class Signals:
    def __init__(self) -> None:
        self.first, self.second = asyncio.Event(), asyncio.Event()

    def note(self) -> None:
        (self.second if self.first.is_set() else self.first).set()


@contextmanager
def signals() -> Iterator[Signals]:
    """While this lasts they are noted, and do nothing else; only the main thread is told of them."""
    received = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _NUMBERS}
    for number in _NUMBERS:
        loop.add_signal_handler(number, received.note)
    try:
        yield received
    finally:
        for number in _NUMBERS:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])
