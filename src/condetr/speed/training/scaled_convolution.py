"""A convolution and the frozen norm behind it in one, with the gradients of the convolution's own weight.

A frozen norm scales and shifts each channel. The weight can be scaled instead, which is smaller than the maps by far:
they are spared a pass forward and one backward, and nothing but the input of the convolution is kept for the latter.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from condetr.core.shapes import FeatureMap
from condetr.model.frozen_norm import FrozenBatchNorm
from condetr.speed.training import cell_products, tile_products
from condetr.speed.training.cell_products import Pace, Weight

Scale = Float[Tensor, "outputs"]


class ScaledConvolution:
    """Takes the place of ``conv.forward``; what ``norm`` says is read anew at each call."""

    def __init__(self, conv: nn.Conv2d, norm: FrozenBatchNorm) -> None:
        self.conv, self.norm = conv, norm
        self.pace = Pace(conv.stride, conv.padding, conv.dilation)  # type: ignore[arg-type]  # never "same"

    def __call__(self, x: FeatureMap) -> FeatureMap:
        device, norm = x.device.type, self.norm
        if torch.is_autocast_enabled(device):
            x = x.to(torch.get_autocast_dtype(device))
        scale = norm.weight * (norm.running_var + norm.epsilon).rsqrt()
        return _Convolve.apply(x, self.conv.weight, scale, norm.bias - norm.running_mean * scale, self.pace)


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: FeatureMap, weight: Weight, scale: Scale, shift: Scale, pace: Pace) -> FeatureMap:
        ctx.save_for_backward(x, weight, scale)
        ctx.pace = pace
        weight = _scaled(weight, scale).to(x)
        if tile_products.is_tile_product(x, weight, pace):
            return tile_products.convolved(x, weight) + shift[:, None, None]
        return torch.conv2d(x, weight, shift.to(x), *pace)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: FeatureMap) -> tuple[Tensor | None, ...]:
        x, weight, scale = ctx.saved_tensors
        of_input, of_weight, *_ = ctx.needs_input_grad
        inwards = found = None
        if of_input:
            inwards = _of_input(gradient, x, _scaled(weight, scale).to(x), ctx.pace)
        if of_weight:
            found = _scaled(_of_weight(gradient, x, weight.to(x), ctx.pace).to(weight), scale)
        return inwards, found, None, None, None


def _scaled(weight: Weight, scale: Scale) -> Weight:
    return weight * scale[:, None, None, None]


def _of_input(gradient: FeatureMap, x: FeatureMap, weight: Weight, pace: Pace) -> FeatureMap:
    if cell_products.is_cell_product(weight, pace):
        return cell_products.gradient_of_input(gradient, x, weight, pace)
    if tile_products.is_tile_product(x, weight, pace):
        return tile_products.gradient_of_input(gradient, weight)
    return _by_torch(gradient, x, weight, pace, of_input=True)[0]


def _of_weight(gradient: FeatureMap, x: FeatureMap, weight: Weight, pace: Pace) -> Weight:
    if cell_products.is_cell_product(weight, pace):
        return cell_products.gradient_of_weight(gradient, x, pace)
    if tile_products.is_tile_product(x, weight, pace, of_weight=True):
        return tile_products.gradient_of_weight(gradient, x)
    if weight.device.type == "cpu":  # oneDNN is up to 2.7 times as fast with colors first where it sees neighbors
        gradient, x = gradient.contiguous(), x.contiguous()
    return _by_torch(gradient, x, weight, pace, of_weight=True)[1]


def _by_torch(
    gradient: FeatureMap, x: FeatureMap, weight: Weight, pace: Pace, *, of_input: bool = False, of_weight: bool = False
) -> Any:
    unused = {"bias_sizes": None, "transposed": False, "output_padding": (0, 0), "groups": 1}
    wanted = of_input, of_weight, False
    return torch.ops.aten.convolution_backward(gradient, x, weight, **pace._asdict(), **unused, output_mask=wanted)
