"""A convolution fused with the frozen norm after it, with the gradients of the convolution's own weight.

A frozen norm scales and shifts each channel. The weight can be scaled instead, which is far smaller than the maps: that
saves one pass over them forward and one backward, and only the input of the convolution is kept for the backward pass.
A ReLU or ReLU6 of the norm is fused, too; then the output is kept, which the next convolution mostly keeps anyway.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from condetr.core.shapes import FeatureMap
from condetr.model.frozen_norm import FrozenBatchNorm
from condetr.model.timm_norms import bounds_of
from condetr.speed.convolution import Bounds, ConvGeometry, Kernel, padded_as_needed, pads_as_needed
from condetr.speed.training import cell_products, depthwise, tile_products
from condetr.speed.training.convolution_gradients import before_clamping, by_torch

Scale = Float[Tensor, "outputs"]
FEW_CHANNELS = 8  # with fewer, such as those of an image, a map is fastest as it is


class ScaledConvolution:
    """Replaces ``conv.forward``; reads the current values of ``norm`` at each call.

    Attributes:
        bounds: of the activation of ``norm``, which is fused where it only clamps.
    """

    def __init__(self, conv: nn.Conv2d, norm: FrozenBatchNorm) -> None:
        self.conv, self.norm = conv, norm
        self.geometry, self._pads = ConvGeometry.of(conv), pads_as_needed(conv)
        self.bounds = bounds_of(norm)

    def __call__(self, x: FeatureMap) -> FeatureMap:
        device = x.device.type
        if torch.is_autocast_enabled(device):
            x = x.to(torch.get_autocast_dtype(device))
        if self._pads:
            x = padded_as_needed(x, self.conv.kernel_size, self.geometry)
        return _Convolve.apply(x, self.conv.weight, *self.norm.scale_and_shift(), self.geometry, self.bounds)


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: FeatureMap,
        weight: Kernel,
        scale: Scale,
        shift: Scale,
        geometry: ConvGeometry,
        bounds: Bounds | None,
    ) -> FeatureMap:
        output = _convolved(x, _scaled(weight, scale).to(x), shift, geometry, bounds)
        ctx.save_for_backward(x, weight, scale, *(() if bounds is None else (output,)))
        ctx.geometry, ctx.bounds = geometry, bounds
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: FeatureMap) -> tuple[Tensor | None, ...]:
        x, weight, scale, *clamped = ctx.saved_tensors
        of_input, of_weight, *_ = ctx.needs_input_grad
        input_gradient = weight_gradient = None
        if ctx.bounds is not None:
            gradient = before_clamping(gradient, clamped[0], ctx.bounds)
        if of_input:
            input_gradient = _of_input(gradient, x, _scaled(weight, scale).to(x), ctx.geometry)
        if of_weight:
            weight_gradient = _scaled(_of_weight(gradient, x, weight.to(x), ctx.geometry).to(weight), scale)
        return input_gradient, weight_gradient, None, None, None, None


def _convolved(
    x: FeatureMap, weight: Kernel, shift: Scale, geometry: ConvGeometry, bounds: Bounds | None
) -> FeatureMap:
    if tile_products.is_tile_product(x, weight, geometry):
        output = tile_products.convolved(x, weight) + shift[:, None, None]
    else:
        output = torch.conv2d(x, weight, shift.to(x), *geometry)
    return output if bounds is None else output.clamp_(*bounds)  # oneDNN's fused clamp would hide NaN


def _scaled(weight: Kernel, scale: Scale) -> Kernel:
    return weight * scale[:, None, None, None]


def _of_input(gradient: FeatureMap, x: FeatureMap, weight: Kernel, geometry: ConvGeometry) -> FeatureMap:
    if cell_products.is_cell_product(weight, geometry):
        return cell_products.gradient_of_input(gradient, x, weight, geometry)
    if tile_products.is_tile_product(x, weight, geometry):
        return tile_products.gradient_of_input(gradient, weight)
    return by_torch(gradient, x, weight, geometry, of_input=True)[0]


def _of_weight(gradient: FeatureMap, x: FeatureMap, weight: Kernel, geometry: ConvGeometry) -> Kernel:
    if cell_products.is_cell_product(weight, geometry):
        return cell_products.gradient_of_weight(gradient, x, geometry)
    if tile_products.is_tile_product(x, weight, geometry, of_weight=True):
        return tile_products.gradient_of_weight(gradient, x)
    if weight.device.type == "cpu":
        if depthwise.is_depthwise(x, geometry):
            return depthwise.gradient_of_weight(gradient, x, weight, geometry)
        if geometry.groups == 1 and x.shape[1] >= FEW_CHANNELS:
            # oneDNN is up to 2.7 times as fast in contiguous (channels first) memory
            gradient, x = gradient.contiguous(), x.contiguous()
    return by_torch(gradient, x, weight, geometry, of_weight=True)[1]
