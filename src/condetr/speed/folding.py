"""Frozen norms as part of the convolutions before them: the norms cost nothing any more."""

import torch
from torch import nn

from condetr.model.detector import ConditionalDetr
from condetr.model.frozen_norm import ConvNorm, FrozenBatchNorm
from condetr.speed.convolution import FoldedConvolution, Pace
from condetr.speed.fast_detector import FastDetector, exchanged, has_taken, network_of

STEP = "frozen norms folded into convolutions, colors last"


@torch.no_grad()
def fold_norms(model: ConditionalDetr | FastDetector) -> FastDetector:
    """Of our ResNets. Backbones of timm keep their norms: which convolution is theirs is not known."""
    if has_taken(model, STEP):
        return model
    exchanges: dict[nn.Module, nn.Module] = {}
    for unit in network_of(model).modules():
        if isinstance(unit, ConvNorm):
            exchanges |= {unit.conv: _folded(unit.conv, unit.norm), unit.norm: nn.Identity()}
    return exchanged(model, STEP, exchanges)


def _folded(conv: nn.Conv2d, norm: FrozenBatchNorm) -> FoldedConvolution:
    """In double precision, so that a weight is rounded once."""
    scale = norm.weight.double() * (norm.running_var.double() + norm.epsilon).rsqrt()
    weight = conv.weight.double() * scale[:, None, None, None]
    bias = norm.bias.double() - norm.running_mean.double() * scale
    pace = Pace(conv.stride, conv.padding, conv.dilation)  # type: ignore[arg-type]  # pairs; never "same"
    return FoldedConvolution(weight.to(conv.weight.dtype), bias.to(conv.weight.dtype), pace)
