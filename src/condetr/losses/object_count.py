"""How many objects a batch has: what its losses are divided by."""

from collections.abc import Sequence

import torch
from torch import distributed

from condetr.core.records import Target


def objects_in(targets: Sequence[Target], device: torch.device) -> float:
    """Objects of the batch, averaged over the processes that train together, and at least 1.

    Every process must call it at each step, also with a batch of empty images: they wait for each other.

    Args:
        targets: of this process.
        device: where the processes exchange tensors.
    """
    count = torch.tensor(sum(map(len, targets)), dtype=torch.float32, device=device)
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(count)
        count /= distributed.get_world_size()
    return max(count.item(), 1.0)
