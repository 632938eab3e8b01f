"""Freezing the batch norms of a network of timm, some of which include an activation."""

import math
from dataclasses import replace

from torch import nn

from condetr.core.shapes import FeatureMap
from condetr.model.config import TimmDescription
from condetr.model.frozen_norm import FrozenBatchNorm

PEERS_EPSILON = 1e-5  # of every norm that transformers freezes, whatever the architecture has


class FrozenBatchNormAct(FrozenBatchNorm):
    """For timm's norms that include an activation."""

    activation: nn.Module

    def __init__(self, channels: int, epsilon: float, activation: nn.Module) -> None:
        super().__init__(channels, epsilon)
        self.activation = activation

    def forward(self, x: FeatureMap) -> FeatureMap:
        return self.activation(super().forward(x))


def bounds_of(norm: FrozenBatchNorm) -> tuple[float, float] | None:
    """To which the activation of a norm clamps; None where there is none, or it does something else."""
    activation = norm.activation if isinstance(norm, FrozenBatchNormAct) else None
    if type(activation) is nn.ReLU:
        return 0.0, math.inf
    if type(activation) is nn.ReLU6 or type(activation) is nn.Hardtanh:
        return activation.min_val, activation.max_val
    return None


def unclamped_activation(norm: FrozenBatchNorm) -> nn.Module | None:
    """The activation of a norm that does more than to clamp, see `bounds_of`."""
    return norm.activation if isinstance(norm, FrozenBatchNormAct) and bounds_of(norm) is None else None


def freeze_norms(network: nn.Module, description: TimmDescription) -> None:
    """Replace the batch norms by frozen ones, with the activations and epsilons that the description asks for."""
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, _frozen(child, description))


def without_idle_options(network: nn.Module, description: TimmDescription) -> TimmDescription:
    """Equal networks have equal descriptions: where an option changes no norm, it gets one value.

    Args:
        network: of timm, before its norms are frozen.
        description: what it was built from.
    """
    norms = [norm for norm in network.modules() if isinstance(norm, nn.BatchNorm2d)]
    activating = any(_activation_of(norm) is not None for norm in norms)
    activates, epsilon = description.norm_activations and activating, description.norm_epsilon
    if epsilon in (None, PEERS_EPSILON) and all(norm.eps == PEERS_EPSILON for norm in norms):
        epsilon = None if activates else PEERS_EPSILON
    if not activating:
        activates = epsilon is None  # as timm freezes norms, or as transformers does
    return replace(description, norm_activations=activates, norm_epsilon=epsilon)


def _frozen(norm: nn.BatchNorm2d, description: TimmDescription) -> FrozenBatchNorm:
    epsilon = norm.eps if description.norm_epsilon is None else description.norm_epsilon
    activation = _activation_of(norm)
    if activation is not None and description.norm_activations:
        return FrozenBatchNormAct(norm.num_features, epsilon, activation)
    return FrozenBatchNorm(norm.num_features, epsilon)


def _activation_of(norm: nn.BatchNorm2d) -> nn.Module | None:
    activation = getattr(norm, "act", None)
    return None if isinstance(activation, nn.Identity) or not isinstance(activation, nn.Module) else activation
