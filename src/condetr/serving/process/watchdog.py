"""A small process beside a service: it ends the service where that does not end by itself, and tidies up after it.

A thread that never gives up Python's interpreter lock keeps every other thread of its process from ending it, and a
process that is killed removes no files.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PROGRAM = """
import os, select, shutil, signal, sys, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
parent, seconds, folder = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
latest = None
while True:
    left = None if latest is None else max(0.0, latest - time.monotonic())
    if not select.select([0], [], [], left)[0]:
        if os.getppid() == parent:
            os.kill(parent, signal.SIGKILL)
        break
    said = os.read(0, 64)
    if not said:
        break
    if latest is None and set(said) & {signal.SIGINT, signal.SIGTERM}:
        latest = time.monotonic() + seconds
if folder:
    shutil.rmtree(folder, ignore_errors=True)
"""
_LAST_SECONDS = 10.0


@contextmanager
def kept(seconds: float, folder: Path | None = None) -> Iterator[int]:
    """While this lasts somebody looks after this process; gives what ``signal.set_wakeup_fd`` takes.

    Args:
        seconds: that the process may live on once SIGTERM or SIGINT came.
        folder: removed when the process has ended, in whatever way.
    """
    words = [str(os.getpid()), str(seconds), "" if folder is None else str(folder)]
    keeper = subprocess.Popen(  # noqa: S603  our own program
        [sys.executable, "-I", "-S", "-c", _PROGRAM, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # or Ctrl-C would reach it, too
        cwd="/",
    )
    assert keeper.stdin is not None, "it is a pipe"
    os.set_blocking(keeper.stdin.fileno(), False)
    try:
        yield keeper.stdin.fileno()
    finally:
        keeper.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            keeper.wait(_LAST_SECONDS)
