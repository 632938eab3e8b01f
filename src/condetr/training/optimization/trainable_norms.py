"""Frozen norms that learn for a while, the way a backbone's norms were made before they were frozen."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from condetr.model.frozen_norm import FrozenBatchNorm

STATISTICS = ("weight", "bias", "running_mean", "running_var")


@contextmanager
def trainable_batch_norms(backbone: nn.Module) -> Iterator[None]:
    """Batch norms in the place of frozen ones, which get their statistics, scales and shifts at the end."""
    places = [
        (parent, name, child)
        for parent in backbone.modules()
        for name, child in parent.named_children()
        if type(child) is FrozenBatchNorm  # those that do nothing else, such as an activation
    ]
    norms = [_alive(frozen) for _, _, frozen in places]
    for (parent, name, _), norm in zip(places, norms, strict=True):
        setattr(parent, name, norm)
    try:
        yield
    finally:
        for (parent, name, frozen), norm in zip(places, norms, strict=True):
            for statistic in STATISTICS:
                getattr(frozen, statistic).copy_(getattr(norm, statistic).detach())
            setattr(parent, name, frozen)


def _alive(frozen: FrozenBatchNorm) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(len(frozen.weight), eps=frozen.epsilon, device=frozen.weight.device)
    for statistic in STATISTICS:
        getattr(norm, statistic).data.copy_(getattr(frozen, statistic))
    return norm.train()
