"""A data loader whose workers read ahead in the order of the sampling."""

import multiprocessing
import pickle
import signal
from collections.abc import Generator, Iterator
from multiprocessing.process import BaseProcess
from typing import Any

from torch.utils.data import DataLoader

from condetr.core.errors import CondetrError, ModelError, SettingsError, first_line_of
from condetr.core.signals import keeping_handler
from condetr.data.batches import TrainingBatch
from condetr.data.records import SampleIndex
from condetr.training.input.dataset import TrainingDataset
from condetr.training.input.sampling import Sampling
from condetr.training.progress import Position


def batches_of_steps(
    dataset: TrainingDataset, sampling: Sampling, start: Position, steps: int | None, *, workers: int, pin: bool
) -> Generator[list[TrainingBatch]]:
    """The batches of each of the next ``steps`` optimization steps; workers read ahead across epochs.

    Raises:
        ModelError: a worker died.
        CondetrError: a sample cannot be used.
    """
    loader: DataLoader[Any] = DataLoader(
        dataset,  # type: ignore[arg-type]  # __getitem__ is all it needs
        batch_size=None,
        sampler=_MicroBatches(sampling, start, steps),
        num_workers=workers,
        collate_fn=_unchanged,
        pin_memory=pin,
        worker_init_fn=_ignore_signals,
    )
    other_children = set(multiprocessing.active_children())
    with keeping_handler("SIGCHLD"):  # that of torch raises wherever the program is, as in the middle of a step
        feed = iter(loader)
    workers_started = set(multiprocessing.active_children()) - other_children
    try:
        for step in sampling.steps(start, steps):
            try:
                yield [_batch_of(next(feed)) for _ in step]
            except (RuntimeError, OSError, EOFError) as error:  # the last two: a worker died while sending a batch
                dead = ", ".join(str(worker.pid) for worker in workers_started if _is_dead(worker))
                if not dead:
                    raise
                raise _worker_died(dead) from error
    finally:
        del feed  # ends the workers now; the traceback of an error would keep them


def _batch_of(answer: TrainingBatch | CondetrError) -> TrainingBatch:
    if isinstance(answer, CondetrError):
        raise answer
    return answer


def _is_dead(worker: BaseProcess) -> bool:
    worker.join(timeout=1)  # it may still be exiting
    return not worker.is_alive()


def check_picklable(part: object, workers: int) -> None:
    """Raises SettingsError where loader processes are not forked, so that ``part`` must be sent to them and cannot."""
    if not workers or multiprocessing.get_start_method() == "fork":
        return
    try:
        pickle.dumps(part)
    except Exception as error:  # of any kind: what pickle meets inside of it
        reason = f"cannot be sent to the data loading processes: {first_line_of(error)}"
        hint = "define it at the top level of a module, or give workers=0"
        raise SettingsError(reason, item="augment", hint=hint) from error


def _worker_died(pids: str) -> ModelError:
    hint = "the usual cause is too little shared memory (/dev/shm) or memory; try fewer workers or a smaller batch"
    return ModelError(f"a data loader worker (pid {pids}) died", item="workers", hint=hint)


class _MicroBatches:
    def __init__(self, sampling: Sampling, start: Position, steps: int | None) -> None:
        self._sampling, self._start, self._steps = sampling, start, steps

    def __iter__(self) -> Iterator[list[SampleIndex]]:
        for step in self._sampling.steps(self._start, self._steps):
            yield from step


def _unchanged(batch: Any) -> Any:
    return batch


def _ignore_signals(worker: int) -> None:  # noqa: ARG001  torch's signature
    """Ctrl-C and a scheduler's SIGTERM reach every process; the training process saves first, then ends its workers."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
