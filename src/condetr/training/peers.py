"""The processes of a training by name, so that somebody can be told which of them is gone."""

import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

DYING = 2.0  # seconds in which a process whose connections are closed is found to be gone


class Companion(NamedTuple):
    """A process that trains with others, on a machine that may be another one."""

    rank: int
    host: str
    pid: int

    def __str__(self) -> str:
        return f"process {self.rank} (pid {self.pid} on {self.host})"

    @classmethod
    def this(cls, rank: int) -> "Companion":
        return cls(rank, socket.gethostname(), os.getpid())


def dead_peers(companions: Sequence[Companion]) -> list[Companion]:
    """Of those on this machine; of others nobody here can tell."""
    here = [one for one in companions if one.host == socket.gethostname()]
    until = time.monotonic() + DYING
    while not (gone := [one for one in here if not _is_alive(one.pid)]) and time.monotonic() < until:
        time.sleep(0.05)
    return gone


def _is_alive(pid: int) -> bool:
    """A process that ended, but whose parent has not asked how, has a number still."""
    try:
        if Path("/proc/self/stat").exists():
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        if os.name != "nt":  # there it would end the process
            os.kill(pid, 0)
    except OSError:
        return False
    return True
