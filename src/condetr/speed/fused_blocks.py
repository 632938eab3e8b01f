"""Residual blocks whose convolutions add and activate in place."""

from collections.abc import Iterable
from typing import cast

import torch
from torch import nn

from condetr.core.shapes import FeatureMap
from condetr.model.config import ResNetDescription
from condetr.model.detector import ConditionalDetr
from condetr.model.resnet import Block, ResNet
from condetr.speed.convolution import Convolution
from condetr.speed.fast_detector import FastDetector, has_step, replace_modules
from condetr.speed.folding import fold_norms

STEP = "residual add and ReLU fused into convolutions"


@torch.no_grad()
def fuse_blocks(model: ConditionalDetr | FastDetector) -> FastDetector:
    """For condetr's ResNets; blocks with another activation than ReLU stay as they are."""
    if has_step(model, STEP):
        return model
    model = fold_norms(model)
    backbone, description = model.network.body.backbone, model.network.config.backbone
    replacements: dict[nn.Module, nn.Module] = {}
    if isinstance(backbone, ResNet) and isinstance(description, ResNetDescription) and description.activation == "relu":
        for stage in cast("Iterable[nn.Sequential]", backbone.stages):
            replacements |= {block: FusedBlock(cast("Block", block), first=block is stage[0]) for block in stage}
    return replace_modules(model, STEP, replacements)


class FusedBlock(nn.Module):
    def __init__(self, block: Block, *, first: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleList(unit.get_submodule("conv") for unit in block.convs)
        self.shortcut = block.shortcut
        self.keeps_input = first and block.shortcut is None  # the stage before it outputs this map, too

    def forward(self, x: FeatureMap) -> FeatureMap:
        residual = x.clone() if self.keeps_input else x if self.shortcut is None else self.shortcut(x)
        *inner, last = cast("Iterable[Convolution]", self.convs)
        for conv in inner:
            x = conv.conv_relu(x)
        return last.conv_add_relu(x, residual)
