"""Exit of a process with hanging threads: Python would wait for them."""

import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn


@contextmanager
def exit_timer(folder: Path | None = None) -> Iterator[Callable[[float, int], None]]:
    """Gives a function that ends this process with a status after so many seconds, unless this context ends before."""
    timers: list[threading.Timer] = []

    def end_within(seconds: float, status: int) -> None:
        timer = threading.Timer(seconds, end_now, (status, folder))
        timer.daemon = True
        timers.append(timer)
        timer.start()

    try:
        yield end_within
    finally:
        for timer in timers:
            timer.cancel()


def end_now(status: int, folder: Path | None = None) -> NoReturn:
    """End this process whatever its threads do; output is flushed and ``folder`` removed."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or missing
            stream.flush()
    os._exit(status)
