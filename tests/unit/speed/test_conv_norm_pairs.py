import pytest
import torch
from torch import nn

from condetr.model.config import ResNetDescription
from condetr.model.frozen_norm import ConvNorm, FrozenBatchNorm
from condetr.model.resnet import ResNet
from condetr.speed.conv_norm_pairs import conv_norm_pairs, is_plain

SMALL = ResNetDescription(depths=(1, 1), widths=(8, 16), stem_widths=(8,))


class Network(nn.Module):
    """Convolutions and norms as a network of timm may have them."""

    def __init__(self, use):
        super().__init__()
        self.conv, self.other = nn.Conv2d(2, 2, 1, bias=False), nn.Conv2d(2, 2, 1, bias=False)
        self.norm, self.second = FrozenBatchNorm(2), FrozenBatchNorm(2)
        self.use = use

    def forward(self, x):
        return self.use(self, x)


def pairs_of(use):
    timm_backbone = pytest.importorskip("condetr.model.timm_backbone")
    backbone = timm_backbone.TimmBackbone.__new__(timm_backbone.TimmBackbone)
    nn.Module.__init__(backbone)
    backbone.network = network = Network(use)
    names = {module: name for name, module in network.named_modules()}
    return [tuple(map(names.get, pair)) for pair in conv_norm_pairs(backbone)]


def test_units_of_our_resnets():
    network = ResNet(SMALL)
    units = [unit for unit in network.modules() if isinstance(unit, ConvNorm)]
    assert conv_norm_pairs(network) == [(unit.conv, unit.norm) for unit in units]


def test_a_norm_after_a_convolution():
    assert pairs_of(lambda net, x: [net.norm(net.conv(x)) + net.other(x)]) == [("conv", "norm")]


@pytest.mark.parametrize(
    "use",
    [
        lambda net, x: [net.norm(kept := net.conv(x)) + kept],  # the convolution is read twice
        lambda net, x: [net.norm(net.conv(x)) + net.conv(x)],  # and used twice
        lambda net, x: [net.norm(net.conv(x)) + net.norm(x)],  # the norm is used twice
        lambda net, x: [net.norm(torch.relu(net.conv(x)))],  # something is between them
        lambda net, x: [net.conv(net.norm(x))],
        lambda net, x: [net.norm(net.conv(x))] if x.sum() > 0 else [x],  # cannot be traced
    ],
)
def test_no_pair(use):
    assert pairs_of(use) == []


def test_convolutions_that_do_more_are_not_plain():
    layers = pytest.importorskip("timm.layers")
    assert is_plain(nn.Conv2d(2, 3, 3, padding=1, bias=False))
    assert is_plain(layers.Conv2dSame(2, 3, 3, 2, bias=False))
    assert not is_plain(nn.Conv2d(2, 3, 3))
    assert not is_plain(nn.Conv2d(2, 3, 3, padding="same", bias=False))
    assert not is_plain(nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect", bias=False))
    assert not is_plain(layers.StdConv2d(2, 3, 3, bias=False))
