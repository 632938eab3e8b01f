import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from condetr.model.frozen_norm import ConvNorm
from condetr.speed.training.convolution_gradients import before_clamping
from condetr.speed.training.scaled_convolution import ScaledConvolution
from tests.scramble import scramble

SHAPES = [(5, 7, 1, {}), (5, 7, 1, {"stride": 2}), (4, 6, 3, {}), (4, 6, 3, {"stride": 2}), (4, 6, 3, {"dilation": 2})]


@pytest.fixture(params=SHAPES, ids=str)
def conv_norm(request):
    *sizes, geometry = request.param
    return scramble(ConvNorm(*sizes, **geometry)).double()


@pytest.fixture(params=[torch.contiguous_format, torch.channels_last], ids=str)
def x(request, conv_norm):
    x = torch.randn(3, conv_norm.conv.in_channels, 9, 12, dtype=torch.double)
    return x.to(memory_format=request.param).requires_grad_()


def test_same_maps_and_gradients(conv_norm, x):
    lean = ScaledConvolution(conv_norm.conv, conv_norm.norm)
    wanted, found = conv_norm(x), lean(x)
    torch.testing.assert_close(found, wanted)
    of_maps = torch.randn_like(wanted)
    both = x, conv_norm.conv.weight
    torch.testing.assert_close(torch.autograd.grad(found, both, of_maps), torch.autograd.grad(wanted, both, of_maps))


def test_frozen_weights_get_no_gradient(conv_norm, x):
    lean = ScaledConvolution(conv_norm.conv, conv_norm.norm)
    conv_norm.conv.weight.requires_grad = False
    lean(x).sum().backward()
    assert x.grad is not None
    assert conv_norm.conv.weight.grad is None
    assert not lean(x.detach()).requires_grad
    conv_norm.conv.weight.requires_grad = True
    lean(x.detach()).sum().backward()
    assert conv_norm.conv.weight.grad is not None


def test_norms_and_weights_that_change_are_followed(conv_norm, x):
    lean = ScaledConvolution(conv_norm.conv, conv_norm.norm)
    lean(x)
    scramble(conv_norm, seed=5).double()
    torch.testing.assert_close(lean(x), conv_norm(x))


def test_autocast_computes_in_its_precision_and_gives_gradients_in_that_of_the_weights(conv_norm, x):
    conv_norm.float()
    lean, x = ScaledConvolution(conv_norm.conv, conv_norm.norm), x.detach().float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = lean(x)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), conv_norm(x), rtol=0.05, atol=0.05)  # bf16 has three digits
    found.sum().backward()
    (wanted,) = torch.autograd.grad(conv_norm(x).sum(), conv_norm.conv.weight)
    assert conv_norm.conv.weight.grad.dtype == x.grad.dtype == torch.float32
    assert (conv_norm.conv.weight.grad - wanted).norm() < 0.02 * wanted.norm()


def test_other_layers_are_left_alone(conv_norm, x):
    assert isinstance(conv_norm.conv, nn.Conv2d)
    before = conv_norm(x)
    ScaledConvolution(conv_norm.conv, conv_norm.norm)
    assert torch.equal(conv_norm(x), before)


@pytest.mark.parametrize("aten", [torch.ops.aten, SimpleNamespace()])
@pytest.mark.parametrize("bounds", [(0.0, 6.0), (0.0, math.inf)])
def test_the_gradient_before_clamping(aten, bounds, monkeypatch):
    x = (4 * torch.randn(2, 3, 5, 7, dtype=torch.double)).requires_grad_()
    clamped, gradient = x.clamp(*bounds), torch.randn(2, 3, 5, 7, dtype=torch.double)
    (wanted,) = torch.autograd.grad(clamped, x, gradient)
    monkeypatch.setattr(torch.ops, "aten", aten)
    assert torch.equal(before_clamping(gradient, clamped.detach(), bounds), wanted)
