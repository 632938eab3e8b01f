"""How many images fit: ``--batch auto``."""

import os
from pathlib import Path

import torch
from torch import Tensor

from condetr.core.records import Target
from condetr.images.sizes import HeightWidth
from condetr.model.segmenter import ConditionalDetrSegmenter
from condetr.training.supervised import SupervisedDetector

MOST = 16  # images of a step in the paper, over all its devices
SHARE = 0.6  # of what is free: the rest is for the work space of convolutions, and for others


def batch_that_fits(supervised: SupervisedDetector, size: HeightWidth, device: torch.device, processes: int) -> int:
    """Images of this size whose gradients can be computed in the memory that is free now."""
    learning = sum(weight.numel() * weight.element_size() for weight in supervised.parameters() if weight.requires_grad)
    needed = 3 * learning  # gradients, and the two moments of the optimizer
    fitting = (SHARE * _free(device) - needed) / max(1, bytes_kept(supervised, size, device))
    return max(1, min(int(fitting), MOST // processes))


def bytes_kept(supervised: SupervisedDetector, size: HeightWidth, device: torch.device) -> int:
    """What one image leaves in memory for its gradients; counted, so that nothing needs to fail first."""
    weights = {weight.untyped_storage().data_ptr() for weight in supervised.parameters()}
    seen: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            seen[storage.data_ptr()] = max(storage.nbytes(), seen.get(storage.data_ptr(), 0))
        return tensor

    masks = (
        torch.ones(1, *size, dtype=torch.bool) if isinstance(supervised.detector, ConditionalDetrSegmenter) else None
    )
    target = Target(torch.zeros(1, dtype=torch.int64), torch.full((1, 4), 0.5), masks)
    with torch.random.fork_rng(devices=[]), torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        supervised(torch.zeros(1, 3, *size, device=device), None, [target], 1.0)
    return sum(seen.values())


def _free(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    return _free_on_cpu()


def _free_on_cpu() -> int:
    """Of the machine, or of the container that it is shared with."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    limit, used = (Path(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if limit.is_file() and used.is_file() and limit.read_text().strip() != "max":
        free = min(free, int(limit.read_text()) - int(used.read_text()))
    return max(0, free)
