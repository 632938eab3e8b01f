"""Frozen batch norms folded into the convolutions before them."""

import copy

import torch
from torch import nn

from condetr.model.detector import ConditionalDetr
from condetr.model.frozen_norm import FrozenBatchNorm
from condetr.model.timm_norms import bounds_of, unclamped_activation
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
        after = copy.deepcopy(unclamped_activation(norm)) or nn.Identity()
        replacements |= {conv: folded_convolution(conv, norm), norm: after}
    return replace_modules(model, STEP, replacements)


def folded_convolution(conv: nn.Conv2d, norm: FrozenBatchNorm) -> FoldedConvolution:
    """A convolution with the norm in it, computed in double precision, so that a weight is rounded once."""
    scale, shift = copy.deepcopy(norm).cpu().double().scale_and_shift()
    weight = conv.weight.cpu().double() * scale[:, None, None, None]
    parts = weight.to(conv.weight), shift.to(conv.weight)
    return FoldedConvolution(*parts, ConvGeometry.of(conv), bounds_of(norm), pads=pads_as_needed(conv))
