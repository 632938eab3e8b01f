import copy

import pytest
import torch

from condetr.export.plain_attention import PlainAttention, with_plain_attention


def test_a_network_with_plain_attention_is_the_same(detector):
    plain = with_plain_attention(copy.deepcopy(detector))
    layers = len(detector.body.encoder.layers) + 2 * len(detector.body.decoder.layers)
    assert sum(isinstance(module, PlainAttention) for module in plain.modules()) == layers
    pixels, mask = torch.randn(3, 3, 48, 64), torch.ones(3, 48, 64, dtype=torch.bool)
    mask[0, :, 20:], mask[2, 9:] = False, False
    with torch.inference_mode():
        for hidden in (mask, None):
            for theirs, ours in zip(plain(pixels, hidden), detector(pixels, hidden), strict=True):
                torch.testing.assert_close(theirs, ours, atol=1e-4, rtol=0)


@pytest.mark.slow
def test_onnx_graphs_have_it(onnx):
    library = pytest.importorskip("onnx")
    kinds = [node.op_type for node in library.load(onnx.folder / "model.onnx").graph.node]
    assert "Softmax" in kinds
    assert "IsNaN" not in kinds
    assert kinds.count("Pad") <= kinds.count("MaxPool")
