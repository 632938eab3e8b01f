"""Pictures read ahead by worker processes, in the order of the sampling."""

import signal
from collections.abc import Generator, Iterator
from typing import Any

from torch.utils.data import DataLoader

from condetr.core.errors import ModelError
from condetr.data.batches import TrainingBatch
from condetr.training.pictures import Pictures
from condetr.training.progress import Position
from condetr.training.sampling import Draw, Sampling


def batches_of_steps(
    pictures: Pictures, sampling: Sampling, start: Position, epochs: int, *, workers: int, pin: bool
) -> Generator[list[TrainingBatch]]:
    """What each optimisation step learns from, to the end of the last epoch; workers never wait for one to end.

    Raises:
        ModelError: a worker died.
    """
    loader: DataLoader[Any] = DataLoader(
        pictures,  # type: ignore[arg-type]  # anything with __getitem__ will do
        batch_size=None,
        sampler=_Draws(sampling, start, epochs),
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=pin,
        worker_init_fn=_leave_signals_to_the_parent,
    )
    feed = iter(loader)
    for step in sampling.steps(start, epochs):
        yield [next(feed) for _ in step]


def death_of_worker(error: RuntimeError) -> ModelError | None:
    """What to say when ``error`` is how a loader tells that one of its workers is gone; it may come at any time."""
    said = str(error)
    if "DataLoader worker" not in said:
        return None
    hint = "too little shared memory (/dev/shm) or memory is the usual cause; try fewer workers or a smaller batch"
    return ModelError(f"a process that reads pictures died: {said.splitlines()[0]}", item="workers", hint=hint)


class _Draws:
    def __init__(self, sampling: Sampling, start: Position, epochs: int) -> None:
        self._sampling, self._start, self._epochs = sampling, start, epochs

    def __iter__(self) -> Iterator[list[Draw]]:
        for step in self._sampling.steps(self._start, self._epochs):
            yield from step


def _as_it_is(batch: Any) -> Any:
    return batch


def _leave_signals_to_the_parent(worker: int) -> None:  # noqa: ARG001  torch's signature
    """Ctrl-C and a scheduler's SIGTERM reach every process; the one that trains saves first, then ends the others."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
