"""Convolutions of stride 2 that pad as TensorFlow does, as graphs of any size can have them.

How much these convolutions of timm pad depends on whether a side is odd. Traced as they are, the sizes of maps behind
four of them become terms that take minutes to simplify.
"""

from torch import nn
from torch.nn.functional import conv2d, pad

from condetr.core.shapes import FeatureMap
from condetr.model.timm_backbone import TimmBackbone


def with_padding_of_any_size(network: nn.Module) -> nn.Module:
    """Change a copy of a network."""
    for module in list(network.modules()):
        if isinstance(module, TimmBackbone):
            _replace(module)
    return network


def _replace(module: nn.Module) -> None:
    from timm.layers.conv2d_same import Conv2dSame

    for name, child in module.named_children():
        if isinstance(child, Conv2dSame) and _is_plain(child):
            setattr(module, name, HalvingConvolution(child))
        else:
            _replace(child)


def _is_plain(conv: nn.Conv2d) -> bool:
    height, width = conv.kernel_size
    return conv.stride == (2, 2) and conv.dilation == (1, 1) and height == width and height > 1 and height % 2 == 1


class HalvingConvolution(nn.Module):
    """Pads for odd sides, and leaves the first row or column of even ones out."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: FeatureMap) -> FeatureMap:
        kernel, (height, width) = self.conv.kernel_size[0], x.shape[-2:]
        before = kernel // 2
        x = pad(x, (before, before, before, before))
        for axis, side in ((2, height), (3, width)):
            is_even = 1 - (side - side // 2 * 2)  # OpenVINO has no remainder of sizes
            x = x.narrow(axis, is_even, (side + 1) // 2 * 2 + kernel - 2)
        return conv2d(x, self.conv.weight, self.conv.bias, 2, groups=self.conv.groups)
