"""What a convolution of a fast detector can do: convolve, add, activate."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condetr.core.shapes import FeatureMap

Kernel = Float[Tensor, "outputs inputs rows columns"]
PerOutput = Float[Tensor, "outputs"]


class Pace(NamedTuple):
    """How a convolution moves over its input."""

    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]


class Convolution(nn.Module):
    """A convolution with a bias."""

    def forward(self, x: FeatureMap) -> FeatureMap:
        raise NotImplementedError

    def activated(self, x: FeatureMap) -> FeatureMap:
        return self(x).relu_()

    def onto(self, x: FeatureMap, passed_on: FeatureMap) -> FeatureMap:
        """The activated sum with what was passed on around it, in the memory of either."""
        return self(x).add_(passed_on).relu_()


class FoldedConvolution(Convolution):
    """By torch, colors last in memory: what the fast kernels of processors and accelerators want."""

    weight: Kernel
    bias: PerOutput

    def __init__(self, weight: Kernel, bias: PerOutput, pace: Pace) -> None:
        super().__init__()
        self.register_buffer("weight", weight.contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", bias)
        self.pace = pace

    def forward(self, x: FeatureMap) -> FeatureMap:
        return torch.conv2d(x, self.weight, self.bias, *self.pace)
