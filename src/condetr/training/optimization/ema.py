"""An exponential moving average (EMA) of the weights, which is less noisy than the weights themselves."""

import copy
import math
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)
WARM_UP = 100  # updates over which the decay rises: early weights are not worth averaging


class WeightAverage(Generic[Network]):
    """An exponential moving average in fp32 (Polyak and Juditsky 1992).

    Attributes:
        network: a copy of the network with the averaged weights, in evaluation mode.
        updates: their number so far.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network = copy.deepcopy(network).float().eval().requires_grad_(False)  # noqa: FBT003
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: Network) -> None:
        self.updates += 1
        weight = 1 - self.decay * (1 - math.exp(-self.updates / WARM_UP))
        current = network.state_dict()
        averaged, recent = [], []
        for name, tensor in self.network.state_dict().items():
            if tensor.is_floating_point():
                averaged.append(tensor)
                recent.append(current[name].to(tensor))
            else:
                tensor.copy_(current[name])
        _lerp(averaged, recent, weight)

    def state_dict(self) -> dict[str, Tensor]:
        return self.network.state_dict()


def _lerp(averaged: list[Tensor], recent: list[Tensor], weight: float) -> None:
    if hasattr(torch, "_foreach_lerp_"):
        torch._foreach_lerp_(averaged, recent, weight)
        return
    for average, value in zip(averaged, recent, strict=True):
        average.lerp_(value, weight)
