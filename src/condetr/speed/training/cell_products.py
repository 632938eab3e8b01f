"""The gradients of a 1x1 convolution as what they are: matrix products over the cells it looks at.

torch's own kernels fill the gradient of the input with zeros first, and on one core are up to three times as slow where
the convolution strides.
"""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from condetr.core.shapes import FeatureMap

Weight = Float[Tensor, "outputs inputs rows columns"]
Cells = Float[Tensor, "cells channels"]


class Pace(NamedTuple):
    """How a convolution moves over its input."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]


def is_cell_product(weight: Weight, pace: Pace) -> bool:
    """On a CPU; accelerators have better kernels."""
    return weight.device.type == "cpu" and weight.shape[2:] == (1, 1) and not any(pace.padding)


def gradient_of_input(gradient: FeatureMap, x: FeatureMap, weight: Weight, pace: Pace) -> FeatureMap:
    batch, _, height, width = gradient.shape
    product = _cells(gradient) @ weight.flatten(1)
    looked_at = product.view(batch, height, width, -1).permute(0, 3, 1, 2)
    if looked_at.shape == x.shape:
        return looked_at
    inwards = x.new_zeros(batch, *x.shape[2:], x.shape[1]).permute(0, 3, 1, 2)
    _looked_at(inwards, pace).copy_(looked_at)
    return inwards


def gradient_of_weight(gradient: FeatureMap, x: FeatureMap, pace: Pace) -> Weight:
    return (_cells(gradient).t() @ _cells(_looked_at(x, pace)))[:, :, None, None]


def _looked_at(x: FeatureMap, pace: Pace) -> FeatureMap:
    down, across = pace.stride
    return x[:, :, ::down, ::across]


def _cells(x: FeatureMap) -> Cells:
    return x.permute(0, 2, 3, 1).flatten(0, 2)
