"""Frozen batch norms folded into the convolutions before them."""

import copy

import torch
from torch import nn

from condetr.model.detector import ConditionalDetr
from condetr.model.frozen_norm import FrozenBatchNorm
from condetr.model.timm_norms import FrozenBatchNormAct, bounds_of
from condetr.speed.conv_norm_pairs import conv_norm_pairs
from condetr.speed.convolution import ConvGeometry, FoldedConvolution, pads_as_needed
from condetr.speed.fast_detector import FastDetector, has_step, network_of, replace_modules

STEP = "frozen batch norms folded into convolutions (channels_last)"


@torch.no_grad()
def fold_norms(model: ConditionalDetr | FastDetector) -> FastDetector:
    """Activations that only clamp become part of the convolution, too."""
    if has_step(model, STEP):
        return model
    replacements: dict[nn.Module, nn.Module] = {}
    for conv, norm in conv_norm_pairs(network_of(model).body.backbone):
        folded = folded_convolution(conv, norm)
        after: nn.Module = nn.Identity()
        if isinstance(norm, FrozenBatchNormAct) and folded.bounds is None:
            after = copy.deepcopy(norm.activation)
        replacements |= {conv: folded, norm: after}
    return replace_modules(model, STEP, replacements)


def folded_convolution(conv: nn.Conv2d, norm: FrozenBatchNorm) -> FoldedConvolution:
    """A convolution with the norm in it, computed in double precision, so that a weight is rounded once."""
    own, mean, variance, shift = (
        each.cpu().double() for each in (norm.weight, norm.running_mean, norm.running_var, norm.bias)
    )
    scale = own * (variance + norm.epsilon).rsqrt()
    weight, bias = conv.weight.cpu().double() * scale[:, None, None, None], shift - mean * scale
    parts = weight.to(conv.weight), bias.to(conv.weight)
    return FoldedConvolution(*parts, ConvGeometry.of(conv), bounds_of(norm), pads=pads_as_needed(conv))
