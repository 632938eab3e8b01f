"""Convolutions of a fast detector: plain, followed by an activation, or followed by an addition and ReLU."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from condetr.core.shapes import FeatureMap

Kernel = Float[Tensor, "outputs inputs rows columns"]
PerOutput = Float[Tensor, "outputs"]
Bounds: TypeAlias = tuple[float, float]


class ConvGeometry(NamedTuple):
    """Stride, padding, dilation and groups of a convolution."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1

    @classmethod
    def of(cls, conv: nn.Conv2d) -> "ConvGeometry":
        """Without the padding that `padded_as_needed` adds."""
        padding = (0, 0) if pads_as_needed(conv) else conv.padding
        assert isinstance(padding, tuple)  # never "same"
        return cls(conv.stride, padding, conv.dilation, conv.groups)


def pads_as_needed(conv: nn.Conv2d) -> bool:
    """Whether it is timm's, which pads by the size of its input, as TensorFlow does."""
    if type(conv) is nn.Conv2d:  # without timm's import, which takes seconds
        return False
    from timm.layers.conv2d_same import Conv2dSame

    return type(conv) is Conv2dSame


def padded_as_needed(x: FeatureMap, kernel: Sequence[int], geometry: ConvGeometry) -> FeatureMap:
    """For a convolution that `pads_as_needed`: the input with its padding."""
    sides = zip(x.shape[2:], kernel, geometry.stride, geometry.dilation, strict=True)
    down, across = (_missing(*side) for side in sides)
    return pad(x, (across // 2, across - across // 2, down // 2, down - down // 2)) if down or across else x


def _missing(side: int, kernel: int, stride: int, dilation: int) -> int:
    return max(0, (-(-side // stride) - 1) * stride + (kernel - 1) * dilation + 1 - side)


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
    """torch's convolution in channels_last memory, which is what the fast kernels of CPUs and GPUs take.

    Attributes:
        bounds: to which its output is clamped, if at all.
        pads: whether it pads by the size of its input, see `padded_as_needed`.
    """

    weight: Kernel
    bias: PerOutput

    def __init__(
        self,
        weight: Kernel,
        bias: PerOutput,
        geometry: ConvGeometry,
        bounds: Bounds | None = None,
        *,
        pads: bool = False,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight.contiguous(memory_format=torch.channels_last))
        self.register_buffer("bias", bias)
        self.geometry, self.bounds, self.pads = geometry, bounds, pads

    def forward(self, x: FeatureMap) -> FeatureMap:
        output = torch.conv2d(self._padded(x), self.weight, self.bias, *self.geometry)
        return output if self.bounds is None else output.clamp_(*self.bounds)

    def _padded(self, x: FeatureMap) -> FeatureMap:
        return padded_as_needed(x, self.weight.shape[2:], self.geometry) if self.pads else x
