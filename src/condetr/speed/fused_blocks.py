"""Residual blocks whose convolutions add and activate, in memory that is there already."""

from collections.abc import Iterable
from typing import cast

import torch
from torch import nn

from condetr.core.shapes import FeatureMap
from condetr.model.config import ResNetDescription
from condetr.model.detector import ConditionalDetr
from condetr.model.resnet import Block, ResNet
from condetr.speed.convolution import Convolution
from condetr.speed.fast_detector import FastDetector, exchanged, has_taken
from condetr.speed.folding import fold_norms

STEP = "residual blocks add and activate within their convolutions"


@torch.no_grad()
def fuse_blocks(model: ConditionalDetr | FastDetector) -> FastDetector:
    """Of our ResNets; blocks that end in another activation than ReLU stay as they are."""
    if has_taken(model, STEP):
        return model
    model = fold_norms(model)
    backbone, description = model.network.backbone, model.network.config.backbone
    exchanges: dict[nn.Module, nn.Module] = {}
    if isinstance(backbone, ResNet) and isinstance(description, ResNetDescription) and description.activation == "relu":
        for stage in cast("Iterable[nn.Sequential]", backbone.stages):
            exchanges |= {block: FusedBlock(cast("Block", block), first=block is stage[0]) for block in stage}
    return exchanged(model, STEP, exchanges)


class FusedBlock(nn.Module):
    def __init__(self, block: Block, *, first: bool) -> None:
        super().__init__()
        self.convs = nn.ModuleList(unit.get_submodule("conv") for unit in block.convs)
        self.shortcut = block.shortcut
        self.keeps = first and block.shortcut is None  # its input is a map that others want

    def forward(self, x: FeatureMap) -> FeatureMap:
        passed_on = x.clone() if self.keeps else x if self.shortcut is None else self.shortcut(x)
        *inner, last = cast("Iterable[Convolution]", self.convs)
        for conv in inner:
            x = conv.activated(x)
        return last.onto(x, passed_on)
