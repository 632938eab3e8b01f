"""A backbone whose frozen norms cost next to nothing while it learns, and leave nothing in memory for the gradients.

torch's batch norm keeps its input, the largest maps that there are, for the gradients of a scale that never changes.
"""

from functools import partial

import torch
from torch import nn

from condetr.core.shapes import FeatureMap
from condetr.model.frozen_norm import ConvNorm, FrozenBatchNorm
from condetr.speed.training.scaled_convolution import ScaledConvolution


def make_lean(backbone: nn.Module) -> None:
    """Until `undo_lean`. The weights stay what and where they are."""
    in_convolutions = set()
    for module in backbone.modules():
        if isinstance(module, ConvNorm):
            in_convolutions.add(module.norm)
            vars(module.conv)["forward"] = ScaledConvolution(module.conv, module.norm)
            vars(module.norm)["forward"] = _as_it_is
    for module in backbone.modules():
        if type(module) is FrozenBatchNorm and module not in in_convolutions:  # not one that also activates
            vars(module)["forward"] = partial(_scaled_and_shifted, module)


def undo_lean(backbone: nn.Module) -> None:
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d | FrozenBatchNorm):
            vars(module).pop("forward", None)


def _as_it_is(x: FeatureMap) -> FeatureMap:
    return x


def _scaled_and_shifted(norm: FrozenBatchNorm, x: FeatureMap) -> FeatureMap:
    scale = norm.weight * (norm.running_var + norm.epsilon).rsqrt()
    shift = norm.bias - norm.running_mean * scale
    return torch.addcmul(shift[:, None, None].to(x), x, scale[:, None, None].to(x))
