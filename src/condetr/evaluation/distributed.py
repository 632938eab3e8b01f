"""Several processes, each looking at its share of the images; all get the whole result."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed

from condetr.core.errors import LostContactError, UsageError, first_line_of
from condetr.core.launcher import local_rank, process_count

_Result = TypeVar("_Result")
_TIMEOUT = timedelta(hours=2)  # the slowest share may be that much later than the fastest


def _alone(value: Any) -> list[Any]:
    return [value]


@dataclass(frozen=True)
class Share:
    """Which images are this process's: every ``count``-th, from ``rank`` on.

    Attributes:
        gathered: gives what every process gave, in order of rank; all must call it.
    """

    rank: int = 0
    count: int = 1
    gathered: Callable[[Any], list[Any]] = _alone

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def positions(self, images: int) -> range:
        return range(self.rank, images, self.count)


ALONE = Share()


def merged(parts: Sequence[Mapping[int, _Result]], images: int) -> list[_Result]:
    """The results of all images in order, whoever looked at them.

    Raises:
        UsageError: an image was looked at twice, or by nobody.
    """
    counts = [sum(position in part for part in parts) for position in range(images)]
    wrong = next((position for position, count in enumerate(counts) if count != 1), None)
    if wrong is not None:
        reason = f"image {wrong} was looked at {counts[wrong]} times; every one must be in one share"
        raise UsageError(reason, item="share")
    return [next(part[position] for part in parts if position in part) for position in range(images)]


def here() -> Share:
    """The share of this process among those that torch.distributed has brought together; all where it has none."""
    if not distributed.is_initialized():
        return ALONE
    return Share(distributed.get_rank(), distributed.get_world_size(), _gathered)


@contextmanager
def launched() -> Iterator[Share]:
    """Bring together the processes that torchrun started, if it did.

    Raises:
        UsageError: the others cannot be reached.
    """
    if process_count() == 1:
        yield ALONE
        return
    try:
        # Results lie in main memory, wherever they were computed.
        distributed.init_process_group("gloo", timeout=_TIMEOUT)
    except (RuntimeError, ValueError) as error:
        raise UsageError(f"the processes cannot meet: {first_line_of(error)}") from error
    if torch.cuda.is_available():
        torch.cuda.set_device(local_rank() % torch.cuda.device_count())
    try:
        yield here()
    finally:
        distributed.destroy_process_group()


def _gathered(value: Any) -> list[Any]:
    answers = [None] * distributed.get_world_size()
    try:
        distributed.all_gather_object(answers, value)
    except RuntimeError as error:
        reason = f"another process ended before this one was done: {first_line_of(error)}"
        raise LostContactError(reason, hint="its own message says why") from error
    return answers
