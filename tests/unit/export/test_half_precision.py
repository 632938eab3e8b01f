"""The network that graphs in fp16 are made of."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import unfold

import condetr
from condetr.export.agreement import batches_of
from condetr.export.half_precision import _HalfWeights, _InHalf, in_half_precision, with_half_weights
from condetr.export.sample_images import sample_images
from condetr.model.config import ResNetDescription
from condetr.speed.convolution import FoldedConvolution
from tests.tiny import tiny_detector

TOGETHER = 4  # products that are summed up before the sum is rounded


def half_product(weight, x):
    """weight (outputs, inputs) times x (batch, inputs, positions), with sums in fp16."""
    total = torch.zeros(len(x), len(weight), x.shape[2], dtype=torch.float16)
    for some, of_x in zip(weight.half().float().split(TOGETHER, 1), x.half().float().split(TOGETHER, 1), strict=True):
        total = (total.float() + torch.einsum("oi,bip->bop", some, of_x)).half()
    return total.float()


class HalfSums(nn.Module):
    """A layer whose sums are in fp16, as processors with fp16 arithmetic compute it; torch's are in fp32."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        layer, dtype = self.layer, x.dtype
        if isinstance(layer, nn.Linear):
            y = half_product(layer.weight, x.flatten(0, -2).T[None])[0].T.unflatten(0, x.shape[:-1])
            return (y + layer.bias.float()).half().to(dtype)
        stride, padding, dilation = layer.geometry if hasattr(layer, "geometry") else geometry_of(layer)
        patches = unfold(x.float(), layer.weight.shape[2:], dilation, padding, stride)
        span = dilation[0] * (layer.weight.shape[2] - 1) + 1
        rows = (x.shape[2] + 2 * padding[0] - span) // stride[0] + 1
        y = half_product(layer.weight.flatten(1), patches).unflatten(2, (rows, -1))
        return (y if layer.bias is None else y + layer.bias.float()[:, None, None]).half().to(dtype)


def geometry_of(conv):
    return conv.stride, conv.padding, conv.dilation


def with_half_sums(module):
    for name, child in module.named_children():
        if isinstance(child, nn.Linear | nn.Conv2d | FoldedConvolution):
            setattr(module, name, HalfSums(child))
        else:
            with_half_sums(child)
    return module


def difference(network, other, batches):
    with torch.inference_mode():
        pairs = [(network(*batch), other(*batch)) for batch in batches]
    return max(
        float((of(ours) - of(theirs)).abs().max())
        for ours, theirs in pairs
        for of in (lambda prediction: prediction.logits.sigmoid(), lambda prediction: prediction.boxes)
    )


@pytest.fixture(params=["condetr/digits", "condetr/nano"])
def bundled(request):
    model = condetr.load(request.param, device="cpu")
    images = sample_images(None, 5).images
    return model.checkpoint.detector.eval(), list(batches_of(images, model.preprocessing, fixed=False))


def test_bundled_models_stay_within_a_hundredth(bundled):
    network, batches = bundled
    weights, backbone = with_half_weights(copy.deepcopy(network)), in_half_precision(copy.deepcopy(network))
    assert not any(isinstance(module, _InHalf) for module in weights.modules()), "nothing that depends on the processor"
    assert 1e-5 < difference(network, weights, batches) < 0.005
    assert 1e-5 < difference(network, backbone, batches) < 0.01


@pytest.mark.slow
def test_why_nothing_is_computed_in_fp16_on_processors(bundled):
    """Fails where fp16 arithmetic became harmless: then graphs for processors could have it."""
    network, batches = bundled
    assert difference(network, with_half_sums(copy.deepcopy(network)), batches) > 0.01


def test_what_is_computed_in_fp16():
    backbone = ResNetDescription(block="basic", depths=(1, 1, 1, 1), widths=(8, 16, 16, 16), stem_widths=(8,))
    halved = in_half_precision(tiny_detector(backbone=backbone))
    assert [type(stage) is _InHalf for stage in halved.body.backbone.stages] == [True] * 4
    assert isinstance(halved.body.encoder.layers[0].self_attention.query, _InHalf)
    assert isinstance(halved.body.encoder.layers[0].feedforward.expand, _InHalf)
    assert isinstance(halved.body.backbone.stem[0].conv, _HalfWeights)
    for part in (halved.body.decoder, halved.head, halved.body.input_projection):
        layers = [module for module in part.modules() if isinstance(module, _HalfWeights | _InHalf | nn.Linear)]
        assert layers
        assert {type(layer) for layer in layers} == {_HalfWeights}
        assert {layer.stored.dtype for layer in layers} == {torch.float16}
    norms = [module.weight.dtype for module in halved.modules() if isinstance(module, nn.LayerNorm)]
    assert set(norms) == {torch.float32}
    logits, boxes = halved(torch.randn(2, 3, 48, 64), None)
    assert logits.dtype == boxes.dtype == torch.float32


def test_variances_too_large_for_fp16_do_no_harm():
    network = tiny_detector()
    norm = network.body.backbone.stages[0][0].convs[0].norm
    with torch.no_grad():
        norm.weight.mul_(300)
        norm.running_var.add_(300**2)
    for halve in (in_half_precision, with_half_weights):
        halved = halve(copy.deepcopy(network))
        assert difference(network, halved, [(torch.randn(1, 3, 48, 64), None)]) < 0.01
