"""A small companion process that kills a service that does not end by itself, and removes its files.

A thread that never releases Python's interpreter lock keeps every other thread of its process from ending it, and a
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
deadline = None
while True:
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    if not select.select([0], [], [], left)[0]:
        if os.getppid() == parent:
            os.kill(parent, signal.SIGKILL)
        break
    received = os.read(0, 64)
    if not received:
        break
    if deadline is None and set(received) & {signal.SIGINT, signal.SIGTERM}:
        deadline = time.monotonic() + seconds
if folder:
    shutil.rmtree(folder, ignore_errors=True)
"""
_LAST_SECONDS = 10.0


@contextmanager
def watchdog(seconds: float, folder: Path | None = None) -> Iterator[int]:
    """Start the companion process; gives the file descriptor for ``signal.set_wakeup_fd``.

    Args:
        seconds: after SIGTERM or SIGINT, until this process is killed.
        folder: removed when this process has ended, in whatever way.
    """
    arguments = [str(os.getpid()), str(seconds), "" if folder is None else str(folder)]
    companion = subprocess.Popen(  # noqa: S603  our own program
        [sys.executable, "-I", "-S", "-c", _PROGRAM, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # or Ctrl-C would reach it, too
        cwd="/",
    )
    assert companion.stdin is not None, "it is a pipe"
    os.set_blocking(companion.stdin.fileno(), False)
    try:
        yield companion.stdin.fileno()
    finally:
        companion.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            companion.wait(_LAST_SECONDS)
