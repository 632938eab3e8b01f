"""Images read ahead by worker processes, in the order of the sampling."""

import multiprocessing
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import Any

from torch.utils.data import DataLoader

from condetr.core.errors import ModelError
from condetr.data.batches import TrainingBatch
from condetr.training.input.dataset import TrainingDataset
from condetr.training.input.sampling import SampleIndex, Sampling
from condetr.training.progress import Position


def batches_of_steps(
    images: TrainingDataset, sampling: Sampling, start: Position, epochs: int, *, workers: int, pin: bool
) -> Generator[list[TrainingBatch]]:
    """What each optimization step learns from, to the end of the last epoch; workers never wait for one to end.

    Raises:
        ModelError: a worker died.
    """
    loader: DataLoader[Any] = DataLoader(
        images,  # type: ignore[arg-type]  # anything with __getitem__ will do
        batch_size=None,
        sampler=_Draws(sampling, start, epochs),
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=pin,
        worker_init_fn=_leave_signals_to_the_parent,
    )
    others = set(multiprocessing.active_children())
    with _deaths_noticed_when_waited_for():
        feed = iter(loader)
    readers = set(multiprocessing.active_children()) - others
    for step in sampling.steps(start, epochs):
        try:
            yield [next(feed) for _ in step]
        except (RuntimeError, OSError, EOFError) as error:  # the last two: it died while it handed a batch over
            dead = ", ".join(str(reader.pid) for reader in readers if _is_dead(reader))
            if not dead:
                raise
            raise _death_of(dead) from error


def _is_dead(reader: BaseProcess) -> bool:
    reader.join(timeout=1)  # it may be dying still
    return not reader.is_alive()


def _death_of(reader: str) -> ModelError:
    hint = "too little shared memory (/dev/shm) or memory is the usual cause; try fewer workers or a smaller batch"
    return ModelError(f"a process that reads images (pid {reader}) died", item="workers", hint=hint)


@contextmanager
def _deaths_noticed_when_waited_for() -> Iterator[None]:
    """A loader's own signal handler would raise wherever the program is, in the middle of a step for example."""
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGCHLD)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, before)


class _Draws:
    def __init__(self, sampling: Sampling, start: Position, epochs: int) -> None:
        self._sampling, self._start, self._epochs = sampling, start, epochs

    def __iter__(self) -> Iterator[list[SampleIndex]]:
        for step in self._sampling.steps(self._start, self._epochs):
            yield from step


def _as_it_is(batch: Any) -> Any:
    return batch


def _leave_signals_to_the_parent(worker: int) -> None:  # noqa: ARG001  torch's signature
    """Ctrl-C and a scheduler's SIGTERM reach every process; the one that trains saves first, then ends the others."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
