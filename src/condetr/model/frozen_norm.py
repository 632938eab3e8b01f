"""The unit of a ResNet: a convolution with a frozen batch norm."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from condetr.core.shapes import FeatureMap


class FrozenBatchNorm(nn.Module):
    """Batch norm with fixed statistics, scale and shift: all four are buffers.

    Batches in detector training are too small to estimate statistics (DETR, appendix A.4).
    """

    weight: Float[Tensor, "channels"]
    bias: Float[Tensor, "channels"]
    running_mean: Float[Tensor, "channels"]
    running_var: Float[Tensor, "channels"]

    def __init__(self, channels: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.register_buffer("weight", torch.ones(channels))
        self.register_buffer("bias", torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def scale_and_shift(self) -> tuple[Float[Tensor, "channels"], Float[Tensor, "channels"]]:
        """What each channel is multiplied by, and what is added to it then."""
        scale = self.weight * (self.running_var + self.epsilon).rsqrt()
        return scale, self.bias - self.running_mean * scale

    def forward(self, x: FeatureMap) -> FeatureMap:
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.epsilon
        )


class ConvNorm(nn.Module):
    """Convolution, then frozen batch norm. Padding keeps the size, up to the stride."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False)
        self.norm = FrozenBatchNorm(outputs)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: FeatureMap) -> FeatureMap:
        return self.norm(self.conv(x))
