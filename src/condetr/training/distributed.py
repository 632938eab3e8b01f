"""The processes that train together, and where each of them computes; one alone needs no setting up.

The only file that knows accelerate. Started by ``accelerate launch`` or ``torchrun``, every process runs the same
code and the same collectives in the same order.
"""

import atexit
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from inspect import signature
from pathlib import Path
from threading import Timer
from typing import Any, cast

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from condetr.core.device import device_of
from condetr.core.errors import MissingExtraError, SettingsError, UsageError, first_line_of
from condetr.core.launcher import local_process_count, process_count
from condetr.training.peers import Companion, dead_peers
from condetr.training.run.events import EventHandler, Warned

TIMEOUT = timedelta(minutes=30)  # of a collective: an evaluation on one process keeps the others waiting
PATIENCE = 60.0  # seconds until a person is told that somebody is waited for
_DDP = signature(DistributedDataParallel).parameters
_SYNC = "forward_sync_buffers" if "forward_sync_buffers" in _DDP else "broadcast_buffers"  # before PyTorch 2.15
_NO_SYNC: Mapping[str, Any] = {_SYNC: False}  # buffers are the same on all, and stay so


class Processes:
    """Attributes: the ``device`` of this process, its ``rank``, and the ``count`` of all."""

    def __init__(
        self,
        device: str = "auto",
        *,
        trackers: Sequence[str] = (),
        folder: Path | None = None,
        say: EventHandler = print,
    ) -> None:
        """Join the others, if there are any.

        Raises:
            MissingExtraError: accelerate is not installed.
            UsageError: there is no such device or tracker, or the others cannot be reached.
        """
        check_installed(trackers)
        launched = process_count()
        if launched > 1:
            _check_one_each(device)
        from accelerate import Accelerator, InitProcessGroupKwargs  # type: ignore[import-untyped]

        try:
            self._accelerator = Accelerator(
                mixed_precision="no",  # ours keeps matching, losses and heads in fp32
                cpu=launched > 1 and (device == "cpu" or not torch.cuda.is_available()),  # else they do not meet there
                log_with=list(trackers) or None,
                project_dir=folder,
                kwargs_handlers=[InitProcessGroupKwargs(timeout=TIMEOUT)],
            )
        except (ValueError, ImportError) as error:
            raise UsageError(str(error), item="device") from error
        except RuntimeError as error:  # torch.distributed: port taken, no answer
            reason = f"the processes cannot meet: {first_line_of(error)}"
            raise UsageError(reason, hint="is another training using this port? give --main_process_port") from error
        self.rank, self.count = self._accelerator.process_index, self._accelerator.num_processes
        if launched not in (1, self.count):
            reason = f"the launcher started {launched} processes, but this one met {self.count - 1} others"
            raise UsageError(reason, item="device", hint="give --device cpu or cuda")
        self.device = self._accelerator.device if self.count > 1 else device_of(device)
        self._say, self._untracked = say, 0
        self._all: list[Companion] = self.gathered(Companion.this(self.rank))
        if self.count > 1:
            atexit.register(_leave)

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes files and speaks."""
        return self.rank == 0

    def wrapped(self, network: nn.Module, *, unused_weights: bool = False) -> nn.Module:
        """The network on the device, its gradients averaged over the processes at the end of each backward."""
        network.to(self.device)
        if self.count == 1:
            return network
        devices = None if self.device.type == "cpu" else [self.device]
        return DistributedDataParallel(
            network,
            device_ids=devices,
            gradient_as_bucket_view=True,
            find_unused_parameters=unused_weights,
            **_NO_SYNC,
        )

    def adding_up(self, network: nn.Module) -> AbstractContextManager[None]:
        """For micro-batches before the last one: gradients are not yet exchanged."""
        return network.no_sync() if isinstance(network, DistributedDataParallel) else nullcontext()

    def any(self, flag: bool) -> bool:  # noqa: FBT001
        """Whether it holds for one of the processes; all must ask, and wait for the last."""
        if self.count == 1:
            return flag
        answer = torch.tensor(float(flag), device=self.device)
        with self._impatiently():
            distributed.all_reduce(answer, distributed.ReduceOp.MAX)
            return bool(answer.item())

    def mean(self, values: Sequence[float]) -> list[float]:
        if self.count == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float32, device=self.device)
        distributed.all_reduce(total)
        return (total / self.count).tolist()

    def gathered(self, value: Any) -> list[Any]:
        """What each process gave, in order of rank."""
        if self.count == 1:
            return [value]
        answers = [None] * self.count
        distributed.all_gather_object(answers, value)
        return cast("list[Any]", answers)

    def from_first(self, value: Any) -> Any:
        """What the first process gave, on all of them."""
        return self.gathered(value)[0]

    def wait(self) -> None:
        self.any(flag=False)

    def agree(self, name: str, value: str) -> None:
        """Raises SettingsError unless every process gives the same."""
        given = self.gathered(value)
        other = next((rank for rank, one in enumerate(given) if one != given[0]), None)
        if other is not None:
            reason = f"differ: process 0 has {given[0]}, process {other} has {given[other]}"
            raise SettingsError(reason, item=name, hint="start every process with the same command")

    def gone(self) -> list[Companion]:
        """Those of this machine that ended, when contact to one is lost."""
        return dead_peers([one for one in self._all if one.rank != self.rank])

    def start_trackers(self, settings: Mapping[str, Any]) -> None:
        plain = {name: value for name, value in settings.items() if isinstance(value, int | float | str)}
        if self._accelerator.log_with:
            with self._untracked_at_worst():
                self._accelerator.init_trackers(".", plain)

    def track(self, values: Mapping[str, float], step: int) -> None:
        with self._untracked_at_worst():
            self._accelerator.log(dict(values), step=step)

    def end_trackers(self) -> None:
        for tracker in self._accelerator.trackers:
            with self._untracked_at_worst():
                tracker.finish()
        if self._untracked > 1:
            self._say(Warned(f"trackers failed {self._untracked} times in all"))

    @contextmanager
    def _untracked_at_worst(self) -> Iterator[None]:
        """A tracker may lose its disk or its network; training goes on, and warns once."""
        try:
            yield
        except Exception as error:
            self._untracked += 1
            if self._untracked == 1:
                reason = f"{type(error).__name__}: {first_line_of(error)}"
                self._say(Warned(f"a tracker failed, training goes on without: {reason}"))

    @contextmanager
    def _impatiently(self) -> Iterator[None]:
        said = f"process {self.rank} has been waiting for the others for {PATIENCE:.0f} s"
        timer = Timer(PATIENCE, lambda: self._say(Warned(said)))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def check_installed(trackers: Sequence[str]) -> None:
    """Whether training and these trackers are possible at all, before anything else is done.

    Raises:
        MissingExtraError: accelerate or TensorBoard are not installed.
        UsageError: there is no such tracker, or it is not installed.
    """
    try:
        from accelerate import tracking
    except ImportError:
        raise MissingExtraError("accelerate", "train", "training") from None
    known, present = sorted(tracking.LOGGER_TYPE_TO_CLASS), [str(one) for one in tracking.get_available_trackers()]
    for tracker in trackers:
        if tracker not in known:
            raise UsageError(f"is {tracker}, expected some of {', '.join(known)}", item="log")
        if tracker not in present and tracker == "tensorboard":
            raise MissingExtraError(tracker, "train", f"--log {tracker}")
        if tracker not in present:
            raise UsageError(f"{tracker} is not installed", item="log", hint=f"pip install {tracker}")


def _leave() -> None:
    """A process that ends as a member takes the others, or itself, down with it."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def _check_one_each(device: str) -> None:
    """Raises UsageError where there is no such device, or the processes of this machine outnumber its GPUs."""
    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return
    if device_of(device).type == "cuda" and (present := torch.cuda.device_count()) < local_process_count():
        reason = f"{local_process_count()} processes were started on this machine, which has {present} GPUs"
        raise UsageError(reason, item="device", hint=f"start {present} processes, or give --device cpu")
