"""The norms of a ResNet folded into its convolutions, for graphs of less precision.

In fp16 a variance may be too large and epsilon is too small; int8 is calibrated on the convolutions that are run.
"""

from torch import nn

from condetr.model.detector import ConditionalDetr
from condetr.model.frozen_norm import ConvNorm
from condetr.model.resnet import ResNet
from condetr.speed.folding import folded_convolution


def with_folded_norms(network: nn.Module) -> nn.Module:
    """Change a copy of a network; backbones of timm stay as they are."""
    if isinstance(network, ConditionalDetr) and isinstance(network.body.backbone, ResNet):
        for unit in network.body.backbone.modules():
            if isinstance(unit, ConvNorm) and not isinstance(unit.norm, nn.Identity):
                folded: nn.Module = folded_convolution(unit.conv, unit.norm)
                unit.conv, unit.norm = folded, nn.Identity()  # type: ignore[assignment]
    return network
