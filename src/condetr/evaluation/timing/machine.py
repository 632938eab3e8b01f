"""The device, its peak arithmetic rate, and memory use."""

import platform
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from condetr.core.processor import processor_name

_SIDE = 1536  # of the matrices that are multiplied: larger than caches, less than a second on one core
_PRODUCTS = 7
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True, slots=True)
class Machine:
    """A device and its fp32 peak: operations a second in a product of large matrices, the best of several."""

    device: torch.device
    name: str
    threads: int
    peak: float

    def to_dict(self) -> dict[str, Any]:
        return {
            "device": str(self.device),
            "name": self.name,
            "threads": self.threads,
            "vector_units": torch.backends.cpu.get_cpu_capability(),
            "peak_gflops": round(self.peak / 1e9, 1),
            "python": platform.python_version(),
            "torch": torch.__version__,
        }


def machine_of(device: torch.device) -> Machine:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
    return Machine(device, name, torch.get_num_threads(), _peak(device))


def now(device: torch.device) -> float:
    """The time, once the device has finished all work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


def computing(device: torch.device) -> float:
    """Seconds of computing so far: on a CPU the process time, which other processes do not lengthen."""
    return time.process_time() if device.type == "cpu" else now(device)


def reset_peak_memory(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):
        _RESET.write_text("5")


def peak_memory(device: torch.device) -> int | None:
    """Peak bytes of the GPU, or of this process, since the last reset; None where the system does not report it."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None


@torch.inference_mode()
def _peak(device: torch.device) -> float:
    left, right = torch.rand(2, _SIDE, _SIDE, device=device)
    seconds = []
    for _ in range(_PRODUCTS):
        start = computing(device)
        left @ right
        seconds.append(computing(device) - start)
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    return 2 * _SIDE**3 / min(seconds) * threads
