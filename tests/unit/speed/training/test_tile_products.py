"""Against torch in double precision, at sizes that tiles of 4x4 do not divide."""

import pytest
import torch

from condetr.model.frozen_norm import ConvNorm
from condetr.speed.training import tile_products
from condetr.speed.training.cell_products import ConvGeometry
from condetr.speed.training.scaled_convolution import ScaledConvolution
from condetr.speed.winograd import tiles
from tests.scramble import scramble

USUAL = ConvGeometry((1, 1), (1, 1), (1, 1))
SIZES = [(1, 8, 12), (3, 9, 7), (2, 1, 1), (1, 3, 30), (2, 4, 4)]


def maps(batch, channels, *size, layout=torch.channels_last):
    return torch.randn(batch, channels, *size).contiguous(memory_format=layout)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("chunk", [1, 8 << 20])
def test_maps_and_gradients_are_those_of_torch(size, layout, chunk, monkeypatch):
    """1e-5 of the largest number: Winograd's transforms lose a digit of single precision's seven."""
    monkeypatch.setattr(tiles, "_CHUNK", chunk)
    x, weight = maps(size[0], 5, *size[1:], layout=layout), torch.randn(6, 5, 3, 3)
    precise = [tensor.double().requires_grad_() for tensor in (x, weight)]
    expected = torch.conv2d(*precise, padding=1)
    gradient = maps(*expected.shape, layout=layout)
    of_x, of_weight = torch.autograd.grad(expected, precise, gradient.double())
    found = (
        tile_products.convolved(x, weight),
        tile_products.gradient_of_input(gradient, weight),
        tile_products.gradient_of_weight(gradient, x),
    )
    for ours, theirs in zip(found, (expected, of_x, of_weight), strict=True):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()


@pytest.mark.parametrize(
    ("channels", "size", "geometry", "dtype", "expected"),
    [
        (128, (17, 22), USUAL, torch.float32, True),
        (128, (9, 12), USUAL, torch.float32, False),
        (64, (9, 12), USUAL, torch.float32, False),
        (128, (9, 12), ConvGeometry((2, 2), (1, 1), (1, 1)), torch.float32, False),
        (128, (9, 12), ConvGeometry((1, 1), (2, 2), (2, 2)), torch.float32, False),
        (128, (9, 12), USUAL, torch.bfloat16, False),
        (512, (15, 20), USUAL, torch.float32, False),
        (512, (25, 40), USUAL, torch.float32, True),
    ],
)
def test_only_where_it_is_faster(channels, size, geometry, dtype, expected):
    x, weight = torch.zeros(1, channels, *size, dtype=dtype), torch.zeros(channels, channels, 3, 3)
    assert tile_products.is_tile_product(x, weight, geometry) is expected
    assert not tile_products.is_tile_product(
        x, torch.zeros(channels, channels, 1, 1), ConvGeometry((1, 1), (0, 0), (1, 1))
    )


@pytest.mark.parametrize(
    ("channels", "size", "expected"),
    [(32, (40, 40), False), (64, (9, 12), True), (512, (30, 40), True), (512, (9, 12), False)],
)
def test_the_gradient_of_the_weight_needs_fewer_channels(channels, size, expected):
    x, weight = torch.zeros(1, channels, *size), torch.zeros(channels, channels, 3, 3)
    assert tile_products.is_tile_product(x, weight, USUAL, of_weight=True) is expected


@pytest.fixture
def counted(monkeypatch):
    calls = []

    def count(name):
        plain = getattr(tile_products, name)
        monkeypatch.setattr(tile_products, name, lambda *args: (calls.append(name), plain(*args))[1])

    for name in ("convolved", "gradient_of_input", "gradient_of_weight"):
        count(name)
    return calls


def test_a_trainable_convolution_uses_them_and_its_map_may_be_changed_in_place(counted):
    conv_norm = scramble(ConvNorm(128, 128, 3))
    lean, x = ScaledConvolution(conv_norm.conv, conv_norm.norm), maps(2, 128, 17, 22).requires_grad_()
    both, of_maps = (x, conv_norm.conv.weight), torch.randn(2, 128, 17, 22)
    found = lean(x).mul_(2)
    ours = torch.autograd.grad(found, both, of_maps)
    assert counted == ["convolved", "gradient_of_input", "gradient_of_weight"]
    wanted = 2 * conv_norm(x)
    theirs = torch.autograd.grad(wanted, both, of_maps)
    assert found.is_contiguous(memory_format=torch.channels_last)
    for one, other in zip((found, *ours), (wanted, *theirs), strict=True):
        assert (one - other).norm() < 1e-4 * other.norm()


def test_with_few_channels_only_the_gradient_of_the_weight(counted):
    conv_norm = scramble(ConvNorm(64, 64, 3))
    lean, x = ScaledConvolution(conv_norm.conv, conv_norm.norm), maps(1, 64, 17, 22).requires_grad_()
    lean(x).sum().backward()
    assert counted == ["gradient_of_weight"]
