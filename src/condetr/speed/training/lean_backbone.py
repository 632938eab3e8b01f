"""A backbone whose frozen norms cost next to nothing in training, and keep nothing in memory for the backward pass.

torch's batch norm keeps its input, the largest maps that there are, for the gradients of a scale that never changes.
"""

from functools import partial

import torch
from torch import nn

from condetr.core.shapes import FeatureMap
from condetr.model.frozen_norm import FrozenBatchNorm
from condetr.model.timm_norms import FrozenBatchNormAct, unclamped_activation
from condetr.speed.conv_norm_pairs import conv_norm_pairs
from condetr.speed.training.scaled_convolution import ScaledConvolution


def make_lean(backbone: nn.Module) -> None:
    """Replace the forward methods of convolutions and norms until `undo_lean`; parameters and their names stay."""
    folded = set()
    for conv, norm in conv_norm_pairs(backbone):
        folded.add(norm)
        vars(conv)["forward"] = ScaledConvolution(conv, norm)
        vars(norm)["forward"] = unclamped_activation(norm) or _identity
    for module in backbone.modules():
        if module in folded:
            continue
        if isinstance(module, FrozenBatchNormAct):
            vars(module)["forward"] = partial(_activated, module)
        elif isinstance(module, FrozenBatchNorm):
            vars(module)["forward"] = partial(_scaled_and_shifted, module)


def undo_lean(backbone: nn.Module) -> None:
    for module in backbone.modules():
        if isinstance(module, nn.Conv2d | FrozenBatchNorm):
            vars(module).pop("forward", None)


def _identity(x: FeatureMap) -> FeatureMap:
    return x


def _activated(norm: FrozenBatchNormAct, x: FeatureMap) -> FeatureMap:
    return norm.activation(_scaled_and_shifted(norm, x))


def _scaled_and_shifted(norm: FrozenBatchNorm, x: FeatureMap) -> FeatureMap:
    scale, shift = norm.scale_and_shift()
    return torch.addcmul(shift[:, None, None].to(x), x, scale[:, None, None].to(x))
