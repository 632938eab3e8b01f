import copy

import pytest
import torch

from condetr.core.errors import SettingsError, UsageError
from condetr.model.attention import ScaledDotProduct, attention_weights
from condetr.model.config import DetectorConfig, ResNetDescription
from condetr.model.detector import ConditionalDetr
from tests.scramble import scramble

BACKBONE = ResNetDescription(depths=(1, 1, 1, 1), widths=(8, 8, 8, 16), stem_widths=(8,))


def tiny(**changes) -> DetectorConfig:
    fields = {
        "backbone": BACKBONE,
        "d_model": 32,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_layers": 2,
        "decoder_layers": 3,
        "encoder_ffn_dim": 48,
        "decoder_ffn_dim": 40,
        "num_queries": 7,
        "num_labels": 5,
    }
    return DetectorConfig(**(fields | changes))


@pytest.fixture
def detector() -> ConditionalDetr:
    return scramble(ConditionalDetr(tiny())).eval()


@torch.no_grad()
def test_supervision_does_not_change_the_answer(detector):
    pixels = torch.randn(2, 3, 96, 128)
    answer, supervised = detector(pixels), detector.predict_layers(pixels)
    assert len(supervised) == 3
    assert torch.equal(answer.logits, supervised[-1].logits)
    assert torch.equal(answer.boxes, supervised[-1].boxes)
    assert not torch.equal(supervised[0].boxes, supervised[1].boxes)


def test_images_of_other_channels_are_refused(detector):
    with pytest.raises(UsageError, match="num_channels: is 3, but the images have 4 channels"):
        detector(torch.randn(1, 4, 32, 32))


@torch.no_grad()
def test_a_mask_of_ones_is_no_mask(detector):
    pixels = torch.randn(2, 3, 64, 96)
    masked = detector(pixels, torch.ones(2, 64, 96, dtype=torch.bool))
    torch.testing.assert_close(masked.logits, detector(pixels).logits, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_what_stands_in_the_padding_is_not_seen(detector):
    """Of the transformer. The convolutions do see across the edge, by their receptive field."""
    mask = torch.zeros(1, 96, 128, dtype=torch.bool)
    mask[:, :64, :96] = True
    flattened = torch.randn(1, 12, 32)
    padding = ~mask[0, ::32, ::32].flatten()
    other = flattened.clone()
    other[:, padding] = torch.randn(int(padding.sum()), 32)
    pixels = torch.zeros(1, 3, 96, 128)
    body, grid = detector.body, detector.body.grid(pixels, mask, 3, 4)
    one, two = (body.decode(body.encode(f, grid), grid).embeddings[-1] for f in (flattened, other))
    torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_batch_of_one_size_gives_what_each_image_gives_alone(detector):
    pixels = torch.randn(3, 3, 75, 110)
    together = detector(pixels)
    for i in range(3):
        torch.testing.assert_close(together.logits[i : i + 1], detector(pixels[i : i + 1]).logits, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_memory_and_start_can_be_brought(detector):
    pixels = torch.randn(1, 3, 64, 64)
    trace = detector.trace(pixels)
    body, grid = detector.body, detector.body.grid(pixels, None, 2, 2)
    again = body.decode(trace.memory, grid)
    assert torch.equal(again.embeddings[-1], trace.embeddings[-1])
    assert torch.equal(again.reference_logits, trace.reference_logits)
    started = body.decode(trace.memory, grid, torch.randn(1, 7, 32))
    assert not torch.allclose(started.embeddings[-1], trace.embeddings[-1])


@torch.no_grad()
def test_a_hidden_query_is_not_seen_by_the_others(detector):
    pixels = torch.randn(1, 3, 64, 64)
    mask = torch.ones(1, 7, dtype=torch.bool)
    mask[0, 2] = False
    body, grid = detector.body, detector.body.grid(pixels, None, 2, 2)
    memory = detector.trace(pixels).memory
    before = body.decode(memory, grid, query_mask=mask).embeddings[-1]
    detector.body.decoder.object_queries[2] += 1
    after = body.decode(memory, grid, query_mask=mask).embeddings[-1]
    others = [0, 1, 3, 4, 5, 6]
    torch.testing.assert_close(before[:, others], after[:, others], atol=1e-6, rtol=1e-6)
    assert not torch.allclose(before[:, 2], after[:, 2])


@torch.no_grad()
def test_carried_norms_change_the_answer_only_when_asked_for(detector):
    carrying = ConditionalDetr(tiny(carry_norm=True)).eval()
    carrying.load_state_dict(detector.state_dict())
    pixels = torch.randn(1, 3, 64, 64)
    assert not torch.allclose(carrying(pixels).logits, detector(pixels).logits, atol=1e-2)


@pytest.mark.parametrize("channels", [30, 36, 6])
def test_any_even_width_that_the_heads_divide(channels):
    config = tiny(d_model=channels, encoder_attention_heads=3, decoder_attention_heads=2)
    assert ConditionalDetr(config).eval()(torch.randn(1, 3, 33, 70)).boxes.shape == (1, 7, 4)


@pytest.mark.parametrize("size", [(1, 1), (32, 33), (1, 700)])
@torch.no_grad()
def test_any_size(detector, size):
    prediction = detector(torch.randn(1, 3, *size))
    assert prediction.logits.isfinite().all()
    assert prediction.boxes.isfinite().all()


@torch.no_grad()
def test_a_fresh_model_starts_as_the_authors_did():
    detector = ConditionalDetr(
        tiny(d_model=256, encoder_attention_heads=8, decoder_attention_heads=8, num_queries=300)
    ).eval()
    pixels = torch.randn(1, 3, 64, 64)
    trace, prediction = detector.trace(pixels), detector(pixels)
    points = trace.reference_logits.sigmoid()
    assert points.std(1).min() > 0.1  # spread over the image
    torch.testing.assert_close(prediction.boxes[..., :2], points)  # each box at its reference point
    assert torch.equal(prediction.boxes[..., 2:], torch.full((1, 300, 2), 0.5))
    torch.testing.assert_close(detector.head.classes.bias, torch.full((5,), -4.59512))
    assert abs(float(detector.body.decoder.object_queries.std()) - 1) < 0.05
    self_attention = detector.body.encoder.layers[0].self_attention
    stacked = torch.cat([self_attention.query.weight, self_attention.key.weight, self_attention.value.weight])
    assert float(stacked.abs().max()) == pytest.approx((6 / (4 * 256)) ** 0.5, rel=0.01)
    assert not self_attention.query.bias.any()
    cross = detector.body.decoder.layers[1].cross_attention.content_query.weight
    assert float(cross.abs().max()) == pytest.approx((6 / (2 * 256)) ** 0.5, rel=0.01)


def test_only_the_first_layer_is_seeded(detector):
    seeded = [layer.cross_attention.object_query is not None for layer in detector.body.decoder.layers]
    assert seeded == [True, False, False]


@torch.no_grad()
def test_shown_weights_are_the_weights_used(detector):
    seen = []
    for module in detector.modules():
        if isinstance(module, ScaledDotProduct):
            module.register_forward_hook(lambda _, inputs, output: seen.append((inputs, output)))
    mask = torch.ones(2, 64, 96, dtype=torch.bool)
    mask[1, :, 40:] = False
    detector(torch.randn(2, 3, 64, 96), mask)
    assert len(seen) == 2 + 2 * 3
    for (query, key, value, allowed), output in seen:
        weights = attention_weights(query, key, allowed)
        torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
        torch.testing.assert_close(weights @ value, output, atol=1e-5, rtol=1e-5)


def test_layers_are_dropped_in_training_only():
    detector = ConditionalDetr(tiny(encoder_layerdrop=0.99, decoder_layerdrop=0.99, dropout=0.0))
    pixels = torch.randn(1, 3, 64, 64)
    assert len(detector.train().trace(pixels).embeddings) < 3
    assert len(detector.eval().trace(pixels).embeddings) == 3


@torch.no_grad()
def test_dropout_rests_in_evaluation(detector):
    noisy = ConditionalDetr(tiny(dropout=0.5, attention_dropout=0.5, activation_dropout=0.5))
    noisy.load_state_dict(detector.state_dict())
    pixels = torch.randn(1, 3, 64, 64)
    assert torch.equal(noisy.eval()(pixels).logits, detector(pixels).logits)
    assert not torch.allclose(noisy.train()(pixels).logits, noisy(pixels).logits)


@torch.no_grad()
def test_half_precision_stays_close(detector):
    pixels = torch.randn(1, 3, 64, 64)
    exact, rough = detector(pixels), copy.deepcopy(detector).bfloat16()(pixels.bfloat16())
    assert rough.logits.dtype == torch.bfloat16
    assert (rough.boxes.float() - exact.boxes).abs().max() < 0.05


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"d_model": 33}, "d_model: is 33, expected an even number"),
        ({"d_model": 32, "encoder_attention_heads": 3}, "encoder_attention_heads: d_model=32 is not divisible by 3"),
        ({"d_model": "sixteen"}, "d_model: is 'sixteen'"),
        ({"decoder_layers": 0}, "decoder_layers: is 0"),
        ({"num_queries": -1}, "num_queries"),
        ({"dropout": 1.5}, "dropout: is 1.5"),
        ({"activation_function": "softplus"}, "activation_function.*relu"),
        ({"position_embedding_type": "cosine"}, "position_embedding_type"),
    ],
)
def test_an_impossible_config_is_named(wrong, says):
    with pytest.raises(SettingsError, match=says):
        tiny(**wrong)
