"""SIGINT (Ctrl-C) and SIGTERM, handled alike by commands, training and servers."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeAlias

Handler: TypeAlias = Callable[[int, FrameType | None], object]

_NUMBERS = (signal.SIGINT, signal.SIGTERM)
_depth = 0  # of `handled_by` in this process


@contextmanager
def handled_by(handler: Handler | signal.Handlers) -> Iterator[bool]:
    """Handle both signals by ``handler``, and at the end as before; yields whether it does.

    Only the main thread receives signals; in others this does nothing.
    """
    global _depth
    if threading.current_thread() is not threading.main_thread():
        yield False
        return
    before = {number: signal.signal(number, handler) for number in _NUMBERS}
    _depth += 1
    try:
        yield True
    finally:
        _depth = max(_depth - 1, 0)
        for number, former in before.items():
            signal.signal(number, former)


@contextmanager
def keeping_handler(name: str) -> Iterator[None]:
    """Restore the handler of a signal at the end, where a library installs one of its own.

    In other threads than the main one, and where the system has no such signal, this does nothing.
    """
    number = getattr(signal, name, None)
    if number is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(number)
    try:
        yield
    finally:
        signal.signal(number, before)


def _reset_in_child() -> None:
    """A child that a library forks ends at a signal; our handlers would run in the middle of our program."""
    global _depth
    if _depth:
        _depth = 0
        for number in _NUMBERS:
            signal.signal(number, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_in_child)
