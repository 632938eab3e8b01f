import pytest
import torch

from condetr.speed.convolution import ConvGeometry, FoldedConvolution
from condetr.speed.winograd import tiles
from condetr.speed.winograd.convolution import WinogradConvolution
from condetr.speed.winograd.transforms import transforms


def test_the_transforms_convolve():
    kernel, tile, out = transforms()
    weights, pixels = torch.randn(3, dtype=torch.double), torch.randn(6, dtype=torch.double)
    expected = torch.stack([weights @ pixels[position : position + 3] for position in range(4)])
    torch.testing.assert_close(out @ ((kernel @ weights) * (tile @ pixels)), expected)


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("size", [(1, 1), (4, 4), (13, 5), (17, 30)])
@pytest.mark.parametrize("chunk", [1, 8 << 20])
@torch.no_grad()
def test_it_is_the_convolution(dilation, size, chunk, monkeypatch):
    monkeypatch.setattr(tiles, "_CHUNK", chunk)
    around = (dilation, dilation)
    weight, bias = torch.randn(5, 7, 3, 3, dtype=torch.double), torch.randn(5, dtype=torch.double)
    plain = FoldedConvolution(weight, bias, ConvGeometry((1, 1), around, around))
    x = torch.randn(2, 7, *size, dtype=torch.double)
    torch.testing.assert_close(WinogradConvolution(plain)(x), plain(x))
    passed_on = torch.randn(2, 5, *size, dtype=torch.double)
    expected = (plain(x) + passed_on).relu()
    torch.testing.assert_close(WinogradConvolution(plain).conv_add_relu(x, passed_on), expected)
    torch.testing.assert_close(plain.conv_add_relu(x, passed_on), expected)


@torch.no_grad()
def test_rounding_errors_are_small():
    """The errors of a direct convolution are of the same size: 3e-7 of its outputs' spread against 9e-7."""
    weight, bias = torch.randn(128, 128, 3, 3) / 34, torch.randn(128)
    plain = FoldedConvolution(weight, bias, ConvGeometry((1, 1), (1, 1), (1, 1)))
    x = torch.randn(1, 128, 30, 40).relu()
    exact = torch.conv2d(x.double(), weight.double(), bias.double(), padding=1)
    error = (WinogradConvolution(plain)(x) - exact).square().mean().sqrt()
    assert error < 4e-6 * exact.std()
