"""Frozen batch norms that are trainable for a while, as those of a backbone are before they are frozen."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from condetr.core.shapes import FeatureMap
from condetr.model.frozen_norm import FrozenBatchNorm
from condetr.model.timm_norms import FrozenBatchNormAct

STATISTICS = ("weight", "bias", "running_mean", "running_var")


@contextmanager
def trainable_batch_norms(backbone: nn.Module) -> Iterator[None]:
    """Replace frozen norms by batch norms; at the end the frozen ones get their statistics, scales and shifts."""
    replaced = [
        (parent, name, child, _batch_norm(child))
        for parent in backbone.modules()
        for name, child in parent.named_children()
        if isinstance(child, FrozenBatchNorm)
    ]
    for parent, name, _, norm in replaced:
        setattr(parent, name, norm)
    try:
        yield
    finally:
        for parent, name, frozen, norm in replaced:
            for statistic in STATISTICS:
                getattr(frozen, statistic).copy_(getattr(norm, statistic).detach())
            setattr(parent, name, frozen)


class _BatchNormAct(nn.BatchNorm2d):
    def __init__(self, frozen: FrozenBatchNormAct) -> None:
        super().__init__(frozen.weight.shape[0], eps=frozen.epsilon, device=frozen.weight.device)
        self.activation = frozen.activation

    def forward(self, x: FeatureMap) -> FeatureMap:
        return self.activation(super().forward(x))


def _batch_norm(frozen: FrozenBatchNorm) -> nn.BatchNorm2d:
    if isinstance(frozen, FrozenBatchNormAct):
        norm: nn.BatchNorm2d = _BatchNormAct(frozen)
    else:
        norm = nn.BatchNorm2d(frozen.weight.shape[0], eps=frozen.epsilon, device=frozen.weight.device)
    for statistic in STATISTICS:
        getattr(norm, statistic).data.copy_(getattr(frozen, statistic))
    return norm.train()
