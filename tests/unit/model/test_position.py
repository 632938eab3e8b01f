import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from condetr.core.errors import UsageError
from condetr.model.config import DetectorConfig, ResNetDescription
from condetr.model.detector import ConditionalDetr
from condetr.model.position import LearnedGrid, SineGrid, embed_points, sine_embedding


@given(coordinate=st.floats(0, 1), width=st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_sine_embedding_by_its_definition(coordinate, width):
    expected = []
    for i in range(width):
        angle = 2 * math.pi * coordinate / 10000 ** (2 * (i // 2) / width)
        expected.append(math.cos(angle) if i % 2 else math.sin(angle))
    actual = sine_embedding(torch.tensor([coordinate]), width)[0]
    torch.testing.assert_close(actual, torch.tensor(expected), atol=1e-5, rtol=1e-5)


def test_y_comes_before_x():
    embedding = embed_points(torch.tensor([[[0.25, 0.75]]]), 8)
    torch.testing.assert_close(embedding[0, 0, 4:], sine_embedding(torch.tensor(0.25), 4))
    torch.testing.assert_close(embedding[0, 0, :4], sine_embedding(torch.tensor(0.75), 4))


def test_padding_does_not_move_the_cells_of_a_image():
    grid = SineGrid(16)
    alone = grid(torch.ones(1, 3, 5, dtype=torch.bool)).unflatten(1, (3, 5))
    mask = torch.zeros(1, 4, 9, dtype=torch.bool)
    mask[:, :3, :5] = True
    padded = grid(mask).unflatten(1, (4, 9))
    assert torch.equal(padded[:, :3, :5], alone)


def test_the_last_real_cell_is_at_one():
    rank = SineGrid(4)(torch.ones(1, 1, 7, dtype=torch.bool))
    end = sine_embedding(torch.tensor(7 / (7 + 1e-6)), 2)
    torch.testing.assert_close(rank[0, -1, 2:], end)


def test_reference_points_keep_fp32_precision_in_bf16():
    points = torch.tensor([[[0.501, 0.777]]], dtype=torch.bfloat16)
    exact = embed_points(points.float(), 64)
    assert (embed_points(points, 64).float() - exact).abs().max() < 2**-8


def test_learned_positions_are_column_then_row():
    grid = LearnedGrid(6)
    embedded = grid(torch.ones(2, 2, 3, dtype=torch.bool)).unflatten(1, (2, 3))
    assert torch.equal(embedded[1, 1, 2], torch.cat((grid.columns[2], grid.rows[1])))


TINY = {
    "backbone": ResNetDescription(depths=(1, 1, 1, 1), widths=(4, 4, 4, 4), stem_widths=(4,)),
    "d_model": 8,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "num_queries": 3,
    "num_labels": 2,
}


def test_learned_positions_name_their_limit_before_the_forward(monkeypatch):
    detector = ConditionalDetr(DetectorConfig(position_embedding_type="learned", **TINY)).eval()
    detector(torch.zeros(1, 3, 32, 50 * 32))
    monkeypatch.setattr(detector.body.backbone, "forward", lambda _: pytest.fail("the backbone ran"))
    with pytest.raises(UsageError, match=r"1 x 51 cells.*50 x 50.*1600 pixels"):
        detector(torch.zeros(1, 3, 32, 50 * 32 + 1))


def test_sine_positions_know_no_limit():
    detector = ConditionalDetr(DetectorConfig(**TINY)).eval()
    assert detector(torch.zeros(1, 3, 32, 60 * 32)).boxes.isfinite().all()
