"""Frozen batch norms folded into the convolutions before them."""

import torch
from torch import nn

from condetr.model.detector import ConditionalDetr
from condetr.model.frozen_norm import ConvNorm, FrozenBatchNorm
from condetr.speed.convolution import ConvGeometry, FoldedConvolution
from condetr.speed.fast_detector import FastDetector, has_step, network_of, replace_modules

STEP = "frozen batch norms folded into convolutions (channels_last)"


@torch.no_grad()
def fold_norms(model: ConditionalDetr | FastDetector) -> FastDetector:
    """For condetr's ResNets. Backbones of timm keep their norms: which convolution precedes each is unknown."""
    if has_step(model, STEP):
        return model
    replacements: dict[nn.Module, nn.Module] = {}
    for unit in network_of(model).modules():
        if isinstance(unit, ConvNorm):
            replacements |= {unit.conv: folded_convolution(unit.conv, unit.norm), unit.norm: nn.Identity()}
    return replace_modules(model, STEP, replacements)


def folded_convolution(conv: nn.Conv2d, norm: FrozenBatchNorm) -> FoldedConvolution:
    """A convolution with the norm in it, computed in double precision, so that a weight is rounded once."""
    scale = norm.weight.double() * (norm.running_var.double() + norm.epsilon).rsqrt()
    weight = conv.weight.double() * scale[:, None, None, None]
    bias = norm.bias.double() - norm.running_mean.double() * scale
    geometry = ConvGeometry.of(conv)
    return FoldedConvolution(weight.to(conv.weight.dtype), bias.to(conv.weight.dtype), geometry)
