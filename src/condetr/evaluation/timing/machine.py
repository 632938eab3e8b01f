"""What computes, how much it can, and how much memory it takes."""

import platform
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

_SIDE = 1536  # of the matrices whose product is timed: more than caches hold, less than a second on one core
_PRODUCTS = 7
_STATUS, _FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


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
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    return Machine(device, name, torch.get_num_threads(), _peak(device))


def now(device: torch.device) -> float:
    """The time when all that the device was asked for is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


def computing(device: torch.device) -> float:
    """Seconds of computing so far: of a processor only those that this process had, whoever else wanted it."""
    return time.process_time() if device.type == "cpu" else now(device)


def forget_highest_memory(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):
        _FORGET.write_text("5")


def highest_memory(device: torch.device) -> int | None:
    """Bytes of the GPU, or of this process, at the highest since it was forgotten; None where no system tells."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None


@torch.inference_mode()
def _peak(device: torch.device) -> float:
    one, other = torch.rand(2, _SIDE, _SIDE, device=device)
    seconds = []
    for _ in range(_PRODUCTS):
        start = computing(device)
        one @ other
        seconds.append(computing(device) - start)
    threads = torch.get_num_threads() if device.type == "cpu" else 1
    return 2 * _SIDE**3 / min(seconds) * threads


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
