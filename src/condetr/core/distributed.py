"""Several processes that work on one task through torch.distributed: shards of a dataset, and which process died."""

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import torch
from torch import distributed

from condetr.core.errors import LostContactError, UsageError, first_line_of
from condetr.core.launcher import local_rank, process_count
from condetr.core.rendezvous import join_group

_Result = TypeVar("_Result")
_TIMEOUT = timedelta(hours=2)  # between the fastest and the slowest shard of an evaluation
DETECTION_TIME = 2.0  # seconds until a process whose connections are closed is seen to have ended


def gather(value: Any) -> list[Any]:
    """The values of all processes in rank order; every process must call it.

    Raises:
        LostContactError: a process ended before it sent its value.
    """
    if not distributed.is_initialized():
        return [value]
    values = [None] * distributed.get_world_size()
    try:
        distributed.all_gather_object(values, value)
    except RuntimeError as error:
        reason = f"another process ended early: {first_line_of(error)}"
        raise LostContactError(reason, hint="see the output of that process for the cause") from error
    return cast("list[Any]", values)


@dataclass(frozen=True)
class ProcessShard:
    """The images of one process: every ``count``-th, from ``rank`` on.

    Attributes:
        gather: collects the values of all processes, see `gather`.
    """

    rank: int = 0
    count: int = 1
    gather: Callable[[Any], list[Any]] = gather

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def positions(self, images: int) -> range:
        return range(self.rank, images, self.count)


SINGLE_PROCESS = ProcessShard()


def current_shard() -> ProcessShard:
    """The shard of this process in the torch.distributed group; everything where there is no group."""
    if not distributed.is_initialized():
        return SINGLE_PROCESS
    return ProcessShard(distributed.get_rank(), distributed.get_world_size())


def merge_shards(shards: Sequence[Mapping[int, _Result]], images: int) -> list[_Result]:
    """The results of all images in order.

    Raises:
        UsageError: an image is missing or in several shards.
    """
    counts = [sum(position in shard for shard in shards) for position in range(images)]
    wrong = next((position for position, count in enumerate(counts) if count != 1), None)
    if wrong is not None:
        reason = f"image {wrong} is in {counts[wrong]} shards; every image must be in exactly one"
        raise UsageError(reason, item="share")
    return [next(shard[position] for shard in shards if position in shard) for position in range(images)]


@contextmanager
def process_group() -> Iterator[ProcessShard]:
    """Connect the processes that torchrun started, if it did.

    Raises:
        UsageError: the other processes cannot be reached.
    """
    if process_count() == 1:
        yield SINGLE_PROCESS
        return
    join_group("gloo", _TIMEOUT)  # results lie in main memory, wherever they were computed
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank() % torch.cuda.device_count())
    try:
        yield current_shard()
    finally:
        leave_group()


def leave_group() -> None:
    """Disconnect; a process that exits while connected can crash or take others down with it."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


class Peer(NamedTuple):
    """A process of a distributed run, perhaps on another machine."""

    rank: int
    host: str
    pid: int

    def __str__(self) -> str:
        return f"process {self.rank} (pid {self.pid} on {self.host})"

    @classmethod
    def current(cls, rank: int) -> "Peer":
        return cls(rank, socket.gethostname(), os.getpid())


def dead_peers(peers: Sequence[Peer]) -> list[Peer]:
    """Those of this machine that have ended; the processes of other machines cannot be checked."""
    local = [peer for peer in peers if peer.host == socket.gethostname()]
    deadline = time.monotonic() + DETECTION_TIME
    while not (dead := [peer for peer in local if not _is_alive(peer.pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return dead


def _is_alive(pid: int) -> bool:
    """A process that ended keeps its pid until its parent has collected its exit status."""
    try:
        if Path("/proc/self/stat").exists():
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        if os.name != "nt":  # there os.kill would end the process
            os.kill(pid, 0)
    except OSError:
        return False
    return True
