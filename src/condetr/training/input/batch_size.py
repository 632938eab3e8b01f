"""The largest batch that fits into memory, for ``--batch auto``."""

import os
from pathlib import Path

import torch
from torch import Tensor

from condetr.core.records import Target
from condetr.images.sizes import HeightWidth
from condetr.model.segmenter import ConditionalDetrSegmenter
from condetr.training.supervision.supervised import SupervisedDetector

MOST = 16  # images per step in the paper, over all its devices
USABLE = 0.6  # fraction of free memory: the rest is for convolution workspaces and other programs


def batch_that_fits(supervised: SupervisedDetector, size: HeightWidth, device: torch.device, processes: int) -> int:
    """The number of images of this size whose gradients can be computed in free memory."""
    trainable = sum(
        weight.numel() * weight.element_size() for weight in supervised.parameters() if weight.requires_grad
    )
    reserved = 3 * trainable  # gradients, and the two moments of the optimizer
    batch = (USABLE * _free(device) - reserved) / max(1, bytes_kept(supervised, size, device))
    return max(1, min(int(batch), MOST // processes))


def bytes_kept(supervised: SupervisedDetector, size: HeightWidth, device: torch.device) -> int:
    """Bytes of activations that one image keeps for the backward pass, counted without running out of memory."""
    weights = {weight.untyped_storage().data_ptr() for weight in supervised.parameters()}
    stored: dict[int, int] = {}

    def record(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            stored[storage.data_ptr()] = max(storage.nbytes(), stored.get(storage.data_ptr(), 0))
        return tensor

    masks = (
        torch.ones(1, *size, dtype=torch.bool) if isinstance(supervised.detector, ConditionalDetrSegmenter) else None
    )
    target = Target(torch.zeros(1, dtype=torch.int64), torch.full((1, 4), 0.5), masks)
    with torch.random.fork_rng(devices=[]), torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor):
        supervised(torch.zeros(1, 3, *size, device=device), None, [target], 1.0)
    return sum(stored.values())


def _free(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    return _free_on_cpu()


def _free_on_cpu() -> int:
    """Free memory of the machine, or of the container."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    limit, used = (Path(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if limit.is_file() and used.is_file() and limit.read_text().strip() != "max":
        free = min(free, int(limit.read_text()) - int(used.read_text()))
    return max(0, free)
