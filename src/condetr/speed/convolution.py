"""Convolutions of a fast detector: plain, followed by ReLU, or followed by an addition and ReLU."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condetr.core.shapes import FeatureMap

Kernel = Float[Tensor, "outputs inputs rows columns"]
PerOutput = Float[Tensor, "outputs"]


class ConvGeometry(NamedTuple):
    """Stride, padding and dilation of a convolution."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]


class Convolution(nn.Module):
    """A convolution with a bias."""

    def forward(self, x: FeatureMap) -> FeatureMap:
        raise NotImplementedError

    def conv_relu(self, x: FeatureMap) -> FeatureMap:
        return self(x).relu_()

    def conv_add_relu(self, x: FeatureMap, residual: FeatureMap) -> FeatureMap:
        """ReLU of the convolution plus ``residual``, whose memory it may overwrite."""
        return self(x).add_(residual).relu_()


class FoldedConvolution(Convolution):
    """torch's convolution in channels_last memory, which is what the fast kernels of CPUs and GPUs take."""

    weight: Kernel
    bias: PerOutput

    def __init__(self, weight: Kernel, bias: PerOutput, geometry: ConvGeometry) -> None:
        super().__init__()
        self.register_buffer("weight", weight.contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", bias)
        self.geometry = geometry

    def forward(self, x: FeatureMap) -> FeatureMap:
        return torch.conv2d(x, self.weight, self.bias, *self.geometry)
