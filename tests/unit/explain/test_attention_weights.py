"""The weights that are explained are those that the network used, however the network is made."""

import pytest
import torch

from condetr.explain.attention_weights import attention_parts, weights_of
from condetr.explain.capture import capture
from condetr.model.config import DetectorConfig, ResNetDescription
from condetr.model.detector import ConditionalDetr
from tests.scramble import scramble

VARIANTS = {
    "plain": {},
    "one head": {"encoder_attention_heads": 1, "decoder_attention_heads": 1},
    "eight heads, wide": {"encoder_attention_heads": 8, "decoder_attention_heads": 8, "d_model": 64},
    "one layer": {"decoder_layers": 1},
    "learned positions": {"position_embedding_type": "learned"},
    "normed between layers": {"carry_norm": True},
    "DC5": {"output_stride": 16},
}


def network_of(variant):
    options = {"encoder_attention_heads": 4, "decoder_attention_heads": 4, "d_model": 32, "decoder_layers": 3}
    options |= VARIANTS[variant]
    stride = options.pop("output_stride", 32)
    backbone = ResNetDescription(
        block="basic", depths=(1, 1, 1, 1), widths=(8, 8, 16, 16), stem_widths=(8,), output_stride=stride
    )
    sizes = {"encoder_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "num_labels": 3, "num_queries": 7}
    return scramble(ConditionalDetr(DetectorConfig(backbone=backbone, **sizes, **options))).eval().double()


class Seen:
    """What each attention weighed, and what it answered with."""

    def __init__(self, modules):
        self.calls = []
        for module in modules:
            module.register_forward_hook(lambda _, inputs, answer: self.calls.append((inputs[2], answer)))


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
@torch.inference_mode()
def test_weighing_the_values_with_them_gives_what_the_network_computed(variant, padded):
    network = network_of(variant)
    pixels = torch.randn(1, 3, 97, 160, dtype=torch.float64)
    mask = None
    if padded:
        mask = torch.zeros(1, 97, 160, dtype=torch.bool)
        mask[:, :65, :97] = True
    cross = [layer.cross_attention.attend for layer in network.body.decoder.layers]
    encoder = [layer.self_attention.attend for layer in network.body.encoder.layers]
    seen, seen_encoder = Seen(cross), Seen(encoder)
    with capture(cross) as inputs, capture(encoder) as entered_encoder:
        network(pixels, mask)
    assert len(inputs) == len(network.body.decoder.layers)
    assert len(entered_encoder) == 2
    for item, (values, answer) in zip(inputs, seen.calls, strict=True):
        for query in range(7):
            weights = attention_parts(item, query).combined
            # in double precision, so that only an error could be seen; the fused kernel adds in another order
            torch.testing.assert_close(
                (weights[:, None] @ values[0])[:, 0], answer[0, :, query], atol=1e-12, rtol=1e-10
            )
            if padded:
                assert (weights[:, ~item.mask[0]] == 0).all()
    for item, (values, answer) in zip(entered_encoder, seen_encoder.calls, strict=True):
        for cell in (0, 3):
            weights = weights_of(item, cell)
            torch.testing.assert_close((weights[:, None] @ values[0])[:, 0], answer[0, :, cell], atol=1e-12, rtol=1e-10)


@torch.inference_mode()
def test_the_halves_multiply_to_the_whole_and_are_not_alike():
    network = network_of("plain")
    cross = [layer.cross_attention.attend for layer in network.body.decoder.layers]
    with capture(cross) as inputs:
        network(torch.randn(1, 3, 96, 160, dtype=torch.float64))
    for block in inputs:
        content, spatial, combined = attention_parts(block, 2)
        for weights in (content, spatial, combined):
            torch.testing.assert_close(weights.sum(-1), torch.ones(4, dtype=torch.float64))
        product = content * spatial
        torch.testing.assert_close(product / product.sum(-1, keepdim=True), combined)
        assert (content - spatial).abs().max() > 1e-3


@torch.inference_mode()
def test_watching_changes_nothing_and_ends():
    network, pixels = network_of("plain"), torch.randn(1, 3, 96, 96, dtype=torch.float64)
    attention = network.body.decoder.layers[0].cross_attention.attend
    before = network(pixels)
    with capture([attention]) as inputs:
        during = network(pixels)
    network(pixels)
    assert len(inputs) == 1
    assert torch.equal(before.logits, during.logits)
    assert not attention._forward_pre_hooks
