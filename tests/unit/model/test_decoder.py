"""The decoder beside a plain one, on weights under which nothing is neutral."""

import pytest
import torch
from torch import nn

from condetr.model.config import DetectorConfig
from condetr.model.decoder import ConditionalDecoder
from tests.plain_decoder import plain_decoder
from tests.scramble import scramble

HEADS, LAYERS, QUERIES, CHANNELS = 2, 3, 4, 8
TOLERANCE = 1e-5  # the sine embedding of both is of float32's digits
GRIDS = [(3, 5), (1, 1), (7, 2)]


@pytest.fixture(scope="module")
def config():
    sizes = {"d_model": CHANNELS, "decoder_ffn_dim": 12, "num_queries": QUERIES, "num_labels": 3}
    return DetectorConfig(**sizes, decoder_layers=LAYERS, decoder_attention_heads=HEADS, encoder_attention_heads=HEADS)


def decoder_of(config):
    decoder = scramble(ConditionalDecoder(config)).double().eval()
    with torch.no_grad():
        for weight in decoder.parameters():
            if weight.ndim == 2:
                weight.mul_(3)  # so that attention is far from even, and no reference point at the center
    return decoder


def scene(batch, cells, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, batch, cells, CHANNELS, generator=generator, dtype=torch.float64)


def compare(decoder, memory, grid, mask=None, **options):
    trace = decoder(memory, grid, mask, **options)
    embeddings, points = plain_decoder(
        decoder.state_dict(), memory, grid, mask, heads=HEADS, layers=LAYERS, carry_norm=decoder.carry_norm, **options
    )
    assert len(trace.embeddings) == LAYERS
    torch.testing.assert_close(trace.reference_logits, points, atol=TOLERANCE, rtol=0)
    for ours, plain in zip(trace.embeddings, embeddings, strict=True):
        torch.testing.assert_close(ours, plain, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("size", GRIDS)
@torch.no_grad()
def test_every_layer_is_the_papers(config, batch, size):
    compare(decoder_of(config), *scene(batch, size[0] * size[1]))


@pytest.mark.parametrize("size", GRIDS)
@torch.no_grad()
def test_padding_is_not_looked_at(config, size):
    mask = torch.zeros(3, *size, dtype=torch.bool)
    for image, (rows, columns) in enumerate(((size[0], size[1]), (1, size[1]), (size[0], 1))):
        mask[image, :rows, :columns] = True
    compare(decoder_of(config), *scene(3, size[0] * size[1]), mask.flatten(1))


@torch.no_grad()
def test_queries_may_be_hidden_and_embeddings_be_given(config):
    decoder, (memory, grid) = decoder_of(config), scene(2, 6)
    original = torch.randn(2, QUERIES, CHANNELS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    hidden = torch.tensor([[True, False, True, True], [False, True, False, False]])
    compare(decoder, memory, grid, embeddings=original)
    compare(decoder, memory, grid, query_mask=hidden)
    compare(decoder, memory, grid, embeddings=original, query_mask=hidden)


@torch.no_grad()
def test_the_norm_feeds_the_next_layer_where_a_checkpoint_was_trained_so(config):
    decoder = decoder_of(config)
    decoder.carry_norm = True
    compare(decoder, *scene(2, 6))


@torch.no_grad()
def test_dropout_is_of_what_is_added(config):
    decoder, (memory, grid) = decoder_of(config), scene(2, 6)
    for layer in decoder.layers:
        assert layer.dropout.p == config.dropout
        layer.dropout.p = 1.0
        layer.dropout.train()
    trace = decoder(memory, grid, None)
    embeddings, _ = plain_decoder(decoder.state_dict(), memory, grid, heads=HEADS, layers=LAYERS, branches=0.0)
    for ours, plain in zip(trace.embeddings, embeddings, strict=True):
        torch.testing.assert_close(ours, plain, atol=TOLERANCE, rtol=0)


class Skips(nn.Module):
    def __init__(self, *answers):
        super().__init__()
        self.answers = iter(answers)

    def forward(self):
        return next(self.answers)


@torch.no_grad()
def test_skipped_layers_conclude_nothing(config):
    """Of the others each keeps its place: only the first has a scale of 1."""
    decoder, (memory, grid) = decoder_of(config), scene(2, 6)
    original = torch.randn(2, QUERIES, CHANNELS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    decoder.skip = Skips(False, True, False)
    few = decoder(memory, grid, None, original).embeddings
    decoder.skip = Skips(False, False)
    del decoder.layers[1]
    again = decoder(memory, grid, None, original).embeddings
    assert len(few) == 2
    for one, other in zip(few, again, strict=True):
        torch.testing.assert_close(one, other, atol=0, rtol=0)
    decoder.skip = Skips(True, True)
    (only,) = decoder(memory, grid, None, original).embeddings
    torch.testing.assert_close(only, decoder.norm(original), atol=0, rtol=0)
