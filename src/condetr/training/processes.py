"""The processes that train together, and the device of each of them.

The only file that uses accelerate: for start-up on any hardware, and for its trackers (``--log``). Started by
``accelerate launch`` or ``torchrun``, every process runs the same code and the same collectives in the same order.
"""

import atexit
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from inspect import signature
from pathlib import Path
from threading import Timer
from typing import Any

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from condetr.core.device import device_of
from condetr.core.distributed import Peer, dead_peers, gather, leave_group
from condetr.core.errors import MissingExtraError, SettingsError, UsageError, first_line_of
from condetr.core.launcher import local_process_count, process_count
from condetr.core.rendezvous import cannot_connect, join_group
from condetr.training.run.events import EventHandler, Warned

TIMEOUT = timedelta(minutes=30)  # of a collective: an evaluation on one process keeps the others waiting
WARN_AFTER = 60.0  # seconds of waiting for other processes
_DDP = signature(DistributedDataParallel).parameters
_SYNC = "forward_sync_buffers" if "forward_sync_buffers" in _DDP else "broadcast_buffers"  # before PyTorch 2.15
_NO_SYNC: Mapping[str, Any] = {_SYNC: False}  # buffers are equal on all processes, and stay so


class Processes:
    """Attributes: ``device`` and ``rank`` of this process, and the ``count`` of all."""

    def __init__(
        self,
        device: str = "auto",
        *,
        trackers: Sequence[str] = (),
        folder: Path | None = None,
        say: EventHandler = print,
    ) -> None:
        """Connect to the other processes, if there are any.

        Raises:
            MissingExtraError: accelerate is not installed.
            UsageError: the device or a tracker does not exist, or the other processes cannot be reached.
        """
        check_installed(trackers)
        launched = process_count()
        if launched > 1:
            _check_one_gpu_each(device)
        from accelerate import Accelerator, InitProcessGroupKwargs  # type: ignore[import-untyped]

        on_cpu = device == "cpu" or not torch.cuda.is_available()
        if launched > 1:
            join_group("gloo" if on_cpu else "nccl", TIMEOUT)  # accelerate's own would meet processes that are gone
        try:
            self._accelerator = Accelerator(
                mixed_precision="no",  # Precision keeps matching, losses and heads in fp32
                cpu=launched > 1 and on_cpu,
                log_with=list(trackers) or None,
                project_dir=folder,
                kwargs_handlers=[InitProcessGroupKwargs(timeout=TIMEOUT)],
            )
        except (ValueError, ImportError) as error:
            raise UsageError(str(error), item="device") from error
        except RuntimeError as error:  # torch.distributed: port taken, no answer
            raise cannot_connect(error) from error
        self.rank, self.count = self._accelerator.process_index, self._accelerator.num_processes
        if launched not in (1, self.count):
            reason = f"the launcher started {launched} processes, but this one is connected to {self.count - 1} others"
            raise UsageError(reason, item="device", hint="give --device cpu or cuda")
        self.device = self._accelerator.device if self.count > 1 else device_of(device)
        self._say, self._tracker_failures = say, 0
        self._peers: list[Peer] = self.gather(Peer.current(self.rank))
        if self.count > 1:
            atexit.register(leave_group)

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def wrapped(self, network: nn.Module, *, unused_weights: bool = False) -> nn.Module:
        """The network on the device; its gradients are averaged over the processes at the end of each backward."""
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

    def no_sync(self, network: nn.Module) -> AbstractContextManager[None]:
        """For all micro-batches but the last: gradients are accumulated and not yet averaged."""
        return network.no_sync() if isinstance(network, DistributedDataParallel) else nullcontext()

    def any(self, flag: bool) -> bool:  # noqa: FBT001
        """Whether it holds on any process; all must call it, and wait for the slowest."""
        if self.count == 1:
            return flag
        result = torch.tensor(float(flag), device=self.device)
        with self._warn_if_waiting():
            distributed.all_reduce(result, distributed.ReduceOp.MAX)
            return bool(result.item())

    def mean(self, values: Sequence[float]) -> list[float]:
        if self.count == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float32, device=self.device)
        distributed.all_reduce(total)
        return (total / self.count).tolist()

    def gather(self, value: Any) -> list[Any]:
        """The values of all processes in rank order."""
        return gather(value) if self.count > 1 else [value]

    def from_first(self, value: Any) -> Any:
        """The value of the first process, on all of them."""
        return self.gather(value)[0]

    def agree(self, name: str, value: str) -> None:
        """Raises SettingsError unless every process has the same value."""
        values = self.gather(value)
        other = next((rank for rank, of_rank in enumerate(values) if of_rank != values[0]), None)
        if other is not None:
            reason = f"differ: process 0 has {values[0]}, process {other} has {values[other]}"
            raise SettingsError(reason, item=name, hint="start every process with the same command")

    def dead_peers(self) -> list[Peer]:
        """Other processes of this machine that have ended."""
        return dead_peers([peer for peer in self._peers if peer.rank != self.rank])

    def start_trackers(self, settings: Mapping[str, Any]) -> None:
        plain = {name: value for name, value in settings.items() if isinstance(value, int | float | str)}
        if self._accelerator.log_with:
            with self._tolerating_tracker_failures():
                self._accelerator.init_trackers(".", plain)

    def track(self, values: Mapping[str, float], step: int) -> None:
        with self._tolerating_tracker_failures():
            self._accelerator.log(dict(values), step=step)

    def end_trackers(self) -> None:
        for tracker in self._accelerator.trackers:
            with self._tolerating_tracker_failures():
                tracker.finish()
        if self._tracker_failures > 1:
            self._say(Warned(f"trackers failed {self._tracker_failures} times in all"))

    @contextmanager
    def _tolerating_tracker_failures(self) -> Iterator[None]:
        """A tracker may lose its disk or its network; training continues, with one warning."""
        try:
            yield
        except Exception as error:
            self._tracker_failures += 1
            if self._tracker_failures == 1:
                reason = f"{type(error).__name__}: {first_line_of(error)}"
                self._say(Warned(f"a tracker failed, training continues without it: {reason}"))

    @contextmanager
    def _warn_if_waiting(self) -> Iterator[None]:
        text = f"process {self.rank} has been waiting for the others for {WARN_AFTER:.0f} s"
        timer = Timer(WARN_AFTER, lambda: self._say(Warned(text)))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def check_installed(trackers: Sequence[str]) -> None:
    """Check that training and these trackers are possible, before anything else is done.

    Raises:
        MissingExtraError: accelerate or TensorBoard are not installed.
        UsageError: a tracker does not exist or is not installed.
    """
    try:
        from accelerate import tracking
    except ImportError:
        raise MissingExtraError("accelerate", "train", "training") from None
    supported = sorted(tracking.LOGGER_TYPE_TO_CLASS)
    installed = [str(tracker) for tracker in tracking.get_available_trackers()]
    for tracker in trackers:
        if tracker not in supported:
            raise UsageError(f"is {tracker}, expected some of {', '.join(supported)}", item="log")
        if tracker not in installed and tracker == "tensorboard":
            raise MissingExtraError(tracker, "train", f"--log {tracker}")
        if tracker not in installed:
            raise UsageError(f"{tracker} is not installed", item="log", hint=f"pip install {tracker}")


def _check_one_gpu_each(device: str) -> None:
    """Raises UsageError where there is no such device, or more processes than GPUs on this machine."""
    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return
    if device_of(device).type == "cuda" and (present := torch.cuda.device_count()) < local_process_count():
        reason = f"{local_process_count()} processes were started on this machine, which has {present} GPUs"
        raise UsageError(reason, item="device", hint=f"start {present} processes, or give --device cpu")
