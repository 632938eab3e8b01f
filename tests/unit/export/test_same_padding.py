"""Backbones of timm that pad as TensorFlow does."""

from collections import Counter

import pytest
import torch

import condetr
from condetr.export.same_padding import HalvingConvolution, with_padding_of_any_size

timm_layers = pytest.importorskip("timm.layers")


@pytest.mark.parametrize("kernel", [3, 5, 7])
@torch.inference_mode()
def test_any_size_is_padded_as_timm_pads_it(kernel):
    conv = timm_layers.Conv2dSame(4, 8, kernel, stride=2, groups=2, bias=True)
    halving = HalvingConvolution(conv)
    for height in range(1, 14):
        for width in (1, 2, 7, 12):
            x = torch.randn(2, 4, height, width)
            torch.testing.assert_close(halving(x), conv(x))


def test_only_the_convolutions_of_stride_2_are_replaced():
    changed = with_padding_of_any_size(condetr.load("condetr/small", device="cpu").network)
    halving = [part for part in changed.modules() if isinstance(part, HalvingConvolution)]
    same = [part for part in changed.modules() if isinstance(part, timm_layers.Conv2dSame)]
    assert same == [part.conv for part in halving]
    assert {part.stride for part in same} == {(2, 2)}


@pytest.mark.slow
@pytest.mark.parametrize(("form", "library"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
@torch.inference_mode()
def test_the_default_start_is_exported_for_any_size(tmp_path, form, library):
    """Traced with timm's own padding, this takes many minutes."""
    pytest.importorskip(library)
    model = condetr.load("condetr/small", device="cpu")
    model.export(form, output=tmp_path / "small")
    graph, network = condetr.load(tmp_path / "small").network, model.network
    for batch, height, width in ((1, 95, 130), (2, 96, 128), (1, 101, 67)):
        pixels = torch.randn(batch, 3, height, width)
        for theirs, ours in zip(graph(pixels), network(pixels), strict=True):
            torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=0)
    if form == "onnx":
        # No copies before the convolutions; the reference points are padded with zeros for their sum with the boxes.
        assert behind_pads(tmp_path / "small/model.onnx") == Counter({"Conv": 4, "Add": 1})


def behind_pads(file):
    nodes = pytest.importorskip("onnx").load(file).graph.node
    padded = {node.output[0] for node in nodes if node.op_type == "Pad"}
    return Counter(node.op_type for node in nodes if padded & set(node.input))
