"""The processes of one job on this machine, with what a launcher tells them."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.fork_server import ForkedProcess, ForkServer


@contextmanager
def starting(forked: ForkServer) -> Iterator[Callable[..., list[ForkedProcess]]]:
    """Starts a program once for each rank, and leaves none behind."""
    processes: list[ForkedProcess] = []

    def start(*words: object, ranks: Sequence[int] = (0, 1), of: int = 2, port: int, cwds: Sequence[Path], **more: str):
        """The folders are one for each, or one for all; ``more`` goes to the environment."""
        common = {"WORLD_SIZE": str(of), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        begun = []
        for position, rank in enumerate(ranks):
            environment = os.environ | common | {"RANK": str(rank), "LOCAL_RANK": str(rank)} | more
            folder = cwds[position % len(cwds)]
            begun.append(forked.start(*words, cwd=folder, env=environment, **pipes))
        processes.extend(begun)
        return begun

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def ends(processes: Sequence[ForkedProcess], within: float) -> list[tuple[str, str]]:
    """Both outputs of each."""
    deadline = time.monotonic() + within
    return [process.communicate(timeout=max(0.1, deadline - time.monotonic())) for process in processes]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
