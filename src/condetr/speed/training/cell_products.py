"""The gradients of a 1x1 convolution as matrix products over the cells of the map.

torch's own kernels fill the gradient of the input with zeros first, and on one core are up to three times as slow where
the convolution has a stride.
"""

from jaxtyping import Float
from torch import Tensor

from condetr.core.shapes import FeatureMap
from condetr.speed.convolution import ConvGeometry, Kernel

Cells = Float[Tensor, "cells channels"]


def is_cell_product(weight: Kernel, geometry: ConvGeometry) -> bool:
    """On a CPU; accelerators have better kernels."""
    is_product = weight.shape[2:] == (1, 1) and geometry.groups == 1 and not any(geometry.padding)
    return is_product and weight.device.type == "cpu"


def gradient_of_input(gradient: FeatureMap, x: FeatureMap, weight: Kernel, geometry: ConvGeometry) -> FeatureMap:
    batch, _, height, width = gradient.shape
    product = _cells(gradient) @ weight.flatten(1)
    sampled = product.view(batch, height, width, -1).permute(0, 3, 1, 2)
    if sampled.shape == x.shape:
        return sampled
    input_gradient = x.new_zeros(batch, *x.shape[2:], x.shape[1]).permute(0, 3, 1, 2)
    _sampled(input_gradient, geometry).copy_(sampled)
    return input_gradient


def gradient_of_weight(gradient: FeatureMap, x: FeatureMap, geometry: ConvGeometry) -> Kernel:
    return (_cells(gradient).t() @ _cells(_sampled(x, geometry)))[:, :, None, None]


def _sampled(x: FeatureMap, geometry: ConvGeometry) -> FeatureMap:
    """The cells that the stride of the convolution reaches."""
    down, across = geometry.stride
    return x[:, :, ::down, ::across]


def _cells(x: FeatureMap) -> Cells:
    return x.permute(0, 2, 3, 1).flatten(0, 2)
