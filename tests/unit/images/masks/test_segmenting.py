"""Segments from logits and masks; and everything that the peers get wrong there."""

import pytest
import torch

from condetr.core.errors import ModelError, UsageError
from condetr.images.masks.segmenting import Thresholds, segments_of
from tests.plain_segments import plain_segments


def blocky(queries, classes, rows, columns, *, seed=0, batch=1):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(batch, queries, classes, generator=generator) - 1
    coarse = 4 * torch.randn(batch, queries, 3, 4, generator=generator)
    return logits, torch.nn.functional.interpolate(coarse, size=(rows, columns), mode="bilinear")


def one_hot(label, classes=3, logit=4.0):
    row = torch.full((classes,), -8.0)
    row[label] = logit
    return row


def half(side, logit=6.0):
    """A mask of 8x16 whose left or right half is inside."""
    mask = torch.full((8, 16), -6.0)
    mask[:, (slice(0, 8) if side == "left" else slice(8, 16))] = logit
    return mask


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("size", [(12, 16), (30, 41), (7, 5)])
@pytest.mark.parametrize("fused", [(), (0, 2)])
def test_equals_the_plain_implementation(seed, size, fused):
    logits, masks = blocky(9, 4, 12, 16, seed=seed, batch=2)
    for overlap in (0.8, 0.2, 0.0):
        found = segments_of(logits, masks, [size] * 2, thresholds=Thresholds(overlap=overlap), fused=fused)
        for i, item in enumerate(found):
            plane, segments = plain_segments(logits[i], masks[i], size, overlap=overlap, fused=fused)
            assert torch.equal(item.map, plane)
            assert [(s.id, s.label) for s in item.segments] == [s[:2] for s in segments]
            assert [s.score for s in item.segments] == pytest.approx([s[2] for s in segments])


@pytest.mark.parametrize("values", [16, 100, 10_000])
def test_an_image_in_bands_is_the_image(monkeypatch, values):
    logits, masks = blocky(9, 4, 12, 16)
    whole = segments_of(logits, masks, [(50, 33)])[0]
    monkeypatch.setattr("condetr.images.masks.bands._VALUES", values)
    parts = segments_of(logits, masks, [(50, 33)])[0]
    assert torch.equal(whole.map, parts.map)
    assert whole.segments == parts.segments


def test_the_last_class_is_detected():
    (found,) = segments_of(one_hot(2)[None, None], half("left")[None, None])
    assert [(s.id, s.label) for s in found.segments] == [(1, 2)]


def test_scores_are_sigmoids_and_do_not_add_up_to_one():
    logits = torch.stack((one_hot(0, logit=-7.0), one_hot(1, logit=-7.0)))[None]  # softmax would say 0.58
    (found,) = segments_of(logits, torch.stack((half("left"), half("right")))[None])
    assert (found.above_threshold, found.segments) == (0, ())
    logits = torch.full((1, 1, 3), 4.0)  # softmax would say 0.33
    assert len(segments_of(logits, half("left")[None, None])[0].segments) == 1


def test_pixels_below_the_mask_threshold_belong_to_no_segment():
    (found,) = segments_of(one_hot(0)[None, None], half("left")[None, None])
    assert found.map[:, :8].eq(1).all()
    assert found.map[:, 8:].eq(0).all()


def test_the_mask_threshold_is_of_the_probability_not_of_its_product_with_the_score():
    logits = one_hot(0, logit=0.5)[None, None]  # a score of 0.62
    masks = torch.full((1, 1, 4, 4), 0.8)  # a probability of 0.69; the product is 0.43
    assert segments_of(logits, masks)[0].map.eq(1).all()
    assert segments_of(logits, masks, thresholds=Thresholds(mask=0.7))[0].map.eq(0).all()


def test_ids_are_unique_when_some_classes_are_fused():
    masks = torch.full((4, 8, 16), -6.0)
    for query in range(4):
        masks[query, :, 4 * query : 4 * query + 4] = 6.0
    logits = torch.stack([one_hot(label, 4) for label in (0, 1, 0, 2)])
    (found,) = segments_of(logits[None], masks[None], fused={0})
    assert [(s.id, s.label, s.is_fused) for s in found.segments] == [(1, 0, True), (2, 1, False), (3, 2, False)]
    assert found.map[0].tolist() == [1] * 4 + [2] * 4 + [1] * 4 + [3] * 4


def test_queries_of_one_fused_class_do_not_suppress_each_other():
    logits = torch.stack((one_hot(0), one_hot(0)))[None]
    masks = torch.stack((half("left"), half("left")))[None]
    masks[0, 0, :4] += 1  # each has the better half of the other
    masks[0, 1, 4:] += 1
    assert segments_of(logits, masks)[0].segments == ()
    (found,) = segments_of(logits, masks, fused={0})
    assert len(found.segments) == 1
    assert found.map[:, :8].eq(1).all()


def test_padding_is_cut_off_before_a_mask_becomes_as_large_as_the_image():
    logits, masks = one_hot(0)[None, None], half("left")[None, None]
    whole = segments_of(logits, masks[..., :12], [(16, 24)])[0].map
    padded = segments_of(logits, masks, [(16, 24)], real=[(1.0, 0.75)])[0].map
    assert torch.equal(whole, padded)
    below = torch.cat((masks, torch.full((1, 1, 4, 16), 6.0)), dim=2)
    assert torch.equal(
        segments_of(logits, below, [(32, 64)], real=[(8 / 12, 1.0)])[0].map[:30],
        segments_of(logits, masks, [(32, 64)])[0].map[:30],
    )


def test_half_precision_is_computed_in_full():
    logits, masks = blocky(9, 4, 12, 16)
    low = segments_of(logits.bfloat16(), masks.bfloat16(), [(40, 40)])[0]
    high = segments_of(logits.bfloat16().float(), masks.bfloat16().float(), [(40, 40)])[0]
    assert torch.equal(low.map, high.map)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_what_is_not_finite_is_never_an_empty_map(broken):
    logits, masks = blocky(3, 4, 12, 16)
    masks[0, 1, 2, 3] = broken
    with pytest.raises(ModelError, match="masks: 1 of 576"):
        segments_of(logits, masks)


def test_one_size_an_image():
    logits, masks = blocky(3, 4, 12, 16)
    with pytest.raises(UsageError, match="2 sizes for 1"):
        segments_of(logits, masks, [(3, 3)] * 2)


def test_no_queries_at_all():
    (found,) = segments_of(torch.zeros(1, 0, 4), torch.zeros(1, 0, 3, 3), [(9, 9)])
    assert found.map.eq(0).all()
    assert found.above_threshold == 0
