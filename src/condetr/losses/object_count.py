"""The number of objects in a batch, by which its losses are divided."""

from collections.abc import Sequence

import torch
from torch import distributed

from condetr.core.records import Target


def objects_in(targets: Sequence[Target], device: torch.device) -> float:
    """The number of objects, averaged over the processes that train together, and at least 1.

    Every process must call it at each step, also if no image has an object: it waits for all of them.

    Args:
        targets: of this process.
        device: for the tensors that the processes exchange.
    """
    count = torch.tensor(sum(map(len, targets)), dtype=torch.float32, device=device)
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(count)
        count /= distributed.get_world_size()
    return max(count.item(), 1.0)
