"""The gradients of a convolution, and of clamping what it makes, by torch's own kernels."""

from typing import Any

import torch
from torch import Tensor

from condetr.core.shapes import FeatureMap
from condetr.speed.convolution import Bounds, ConvGeometry, Kernel


def by_torch(
    gradient: FeatureMap,
    x: FeatureMap,
    weight: Kernel,
    geometry: ConvGeometry,
    *,
    of_input: bool = False,
    of_weight: bool = False,
) -> Any:
    """The gradients of input and weight that are asked for, and None for the others."""
    backward = getattr(torch.ops.aten, "convolution_backward", None)
    if backward is None:
        return by_autograd(gradient, x, weight, geometry)
    unused = {"bias_sizes": None, "transposed": False, "output_padding": (0, 0)}
    mask = of_input, of_weight, False
    return backward(gradient, x, weight, **geometry._asdict(), **unused, output_mask=mask)


def by_autograd(gradient: FeatureMap, x: FeatureMap, weight: Kernel, geometry: ConvGeometry) -> tuple[Tensor, ...]:
    """Both gradients by public functions alone: slower, for the forward pass is computed once more."""
    with torch.enable_grad():
        x, weight = x.detach().requires_grad_(), weight.detach().requires_grad_()
        output = torch.conv2d(x, weight, None, *geometry)
    return torch.autograd.grad(output, (x, weight), gradient)


def before_clamping(gradient: FeatureMap, clamped: FeatureMap, bounds: Bounds) -> FeatureMap:
    """The gradient of what was clamped to ``clamped``: 0 where that is a bound."""
    backward = getattr(torch.ops.aten, "hardtanh_backward", None)
    if backward is None:
        low, high = bounds
        return gradient * ((clamped > low) & (clamped < high))
    return backward(gradient, clamped, *bounds)
