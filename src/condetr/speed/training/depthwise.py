"""The gradient of the weight of a depthwise convolution, in channels_last memory.

oneDNN has a fast kernel for 3x3 alone. A larger kernel is covered by windows of 3x3, each with its own part of the
input: on one core 5x5 of 672 channels take half the time so.
"""

import torch
from torch.nn.functional import pad

from condetr.core.shapes import FeatureMap
from condetr.speed.convolution import ConvGeometry, Kernel
from condetr.speed.training.convolution_gradients import by_torch

WINDOW = 3
_LAST = torch.channels_last


def is_depthwise(x: FeatureMap, geometry: ConvGeometry) -> bool:
    return 1 < geometry.groups == x.shape[1]


def gradient_of_weight(gradient: FeatureMap, x: FeatureMap, weight: Kernel, geometry: ConvGeometry) -> Kernel:
    gradient = gradient.contiguous(memory_format=_LAST)
    if not _is_covered(weight, geometry):
        return _by_torch(gradient, x, weight, geometry)
    down, across = geometry.padding
    x = pad(x, (across, across, down, down))
    rows, columns = gradient.shape[2:]
    window = weight.new_empty(len(weight), 1, WINDOW, WINDOW)
    found = torch.empty_like(weight)
    for top in range(0, weight.shape[2] - WINDOW + 1, WINDOW - 1):
        for left in range(0, weight.shape[3] - WINDOW + 1, WINDOW - 1):
            part = x[:, :, top : top + rows + WINDOW - 1, left : left + columns + WINDOW - 1]
            covered = slice(top, top + WINDOW), slice(left, left + WINDOW)
            unpadded = ConvGeometry((1, 1), (0, 0), (1, 1), geometry.groups)
            found[:, :, *covered] = _by_torch(gradient, part, window, unpadded)
    return found


def _is_covered(weight: Kernel, geometry: ConvGeometry) -> bool:
    """Whether its side is 5 or more, and odd, and neighbors are one pixel apart."""
    rows, columns = weight.shape[2:]
    return rows == columns > WINDOW and rows % 2 == 1 and geometry.stride == geometry.dilation == (1, 1)


def _by_torch(gradient: FeatureMap, x: FeatureMap, weight: Kernel, geometry: ConvGeometry) -> Kernel:
    return by_torch(gradient, x.contiguous(memory_format=_LAST), weight, geometry, of_weight=True)[1]
