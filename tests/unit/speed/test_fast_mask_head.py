"""The masks of a fast copy are the segmenter's, whatever the image and however many objects."""

import copy

import pytest
import torch

from condetr.speed import fast_mask_head as masks
from condetr.speed.accelerate import accelerate, plan_acceleration
from condetr.speed.decoder_constants import precompute_decoder
from condetr.speed.fast_detector import FastSegmenter
from condetr.speed.fast_mask_head import FastMaskPyramid, fuse_mask_upsampling
from condetr.speed.folding import fold_norms
from condetr.speed.onednn import is_available
from condetr.speed.weights_version import weights_version
from condetr.speed.winograd.convolution import WinogradConvolution, use_winograd
from tests.unit.speed.networks import BACKBONES, detector, segmenter
from tests.unit.speed.test_steps import CPU, accelerated, inputs

ALL = torch.arange(7)
THREE = [name for name, backbone in BACKBONES.items() if len(backbone.depths) >= 3]
STEPS = [fold_norms, use_winograd, precompute_decoder, fuse_mask_upsampling, accelerated]


@torch.no_grad()
def assert_same_masks(fast, plain, pixels, mask, queries):
    """Double precision tells sums in another order from bugs."""
    exact = copy.deepcopy(plain).double()
    trace = exact.trace(pixels.double(), mask)
    trace_of_copy = fast.trace(pixels, mask)
    for mine, theirs in zip(fast.predict_last(trace_of_copy), exact.predict_last(trace), strict=True):
        torch.testing.assert_close(mine.double(), theirs, atol=5e-5, rtol=5e-5)
    for mine, theirs in zip(fast.segment(trace_of_copy, queries), exact.segment(trace, queries), strict=True):
        assert theirs.numel() <= len(ALL) or theirs.std() > 0.05  # nothing is compared with nothing
        torch.testing.assert_close(mine.double(), theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("backbone", THREE)
def test_every_step_gives_the_masks_of_the_model(step, backbone):
    plain = segmenter(BACKBONES[backbone])
    fast = step(plain)
    assert isinstance(fast, FastSegmenter)
    assert_same_masks(fast, plain, *inputs(), [ALL, torch.tensor([3])])
    assert_same_masks(fast, plain, *inputs(3, (64, 96), padded=False), [ALL[:0], ALL, ALL[[5, 5, 1]]])
    assert_same_masks(fast, plain, *inputs(1, padded=False), [ALL])


@pytest.mark.parametrize("size", [(1, 1), (33, 1), (31, 97), (200, 40), (65, 63), (129, 66)])
def test_any_size_in_any_order(size):
    plain = segmenter()
    fast = accelerated(plain)
    for batch, shape in ((1, size), (2, (64, 64)), (3, size)):
        assert_same_masks(fast, plain, *inputs(batch, shape, padded=False), [ALL] * batch)


@torch.no_grad()
def test_a_trace_stays_valid_for_masks():
    """Blocks write into memory that is there already: not into maps that masks are made from afterwards."""
    plain, (pixels, mask) = segmenter(), inputs()
    fast = accelerated(plain)
    trace_of_copy = fast.trace(pixels, mask)
    first = fast.segment(trace_of_copy, [ALL, ALL])
    fast.trace(pixels + 1, mask)
    for one, other in zip(fast.segment(trace_of_copy, [ALL, ALL]), first, strict=True):
        assert torch.equal(one, other)
    for mine, theirs in zip(trace_of_copy.features, plain.body.backbone(pixels), strict=True):
        scale = theirs.abs().max()
        torch.testing.assert_close(mine / scale, theirs / scale, atol=2e-5, rtol=0)


@torch.no_grad()
def test_blocks_change_nothing(monkeypatch):
    fast = accelerated(segmenter())
    trace_of_copy = fast.trace(*inputs())
    whole = fast.segment(trace_of_copy, [ALL, ALL])
    blocks = []
    fast.network.mask_head.pyramid.register_forward_pre_hook(lambda _, value: blocks.append(len(value[0])))
    monkeypatch.setattr(fast.network.mask_head, "block_size", 1)
    for one, other in zip(fast.segment(trace_of_copy, [ALL, ALL]), whole, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    assert blocks == [1] * 14


@torch.no_grad()
def test_doubling_sizes_saves_half_of_the_products(monkeypatch):
    pyramid = accelerated(segmenter()).network.mask_head.pyramid
    assert isinstance(pyramid, FastMaskPyramid)
    monkeypatch.setattr(masks, "interpolate", None)  # nothing is enlarged
    stage, x = pyramid.fpn_stages[0], torch.randn(2, 16, 5, 6)
    assert stage(x, torch.randn(1, 8, 10, 12)).shape == (2, 8, 10, 12)


def test_a_copy_of_a_copy_is_a_segmenter():
    fast = accelerated(segmenter())
    assert isinstance(copy.deepcopy(fast), FastSegmenter)
    assert fuse_mask_upsampling(fast) is fast


def test_a_detector_has_no_masks_to_accelerate():
    plain = detector()
    assert fuse_mask_upsampling(plain).steps == ()
    assert masks.STEP not in accelerated(plain).steps


@pytest.mark.skipif(not is_available(), reason="this torch has no oneDNN")
def test_the_planned_modules_are_there():
    fast = accelerated(segmenter(d_model=128, encoder_attention_heads=8))
    assert masks.STEP in fast.steps
    assert isinstance(fast.network.mask_head.pyramid.conv1_image, WinogradConvolution)
    assert any("masks" in reason for reason in plan_acceleration(torch.device("cuda"), torch.float32).left_out)


def test_weights_of_another_precision():
    plain = segmenter().double()
    pixels, mask = inputs(1, padded=False)
    fast = accelerate(plain, CPU)
    [mine] = fast.segment(fast.trace(pixels.double(), mask), [ALL])
    [theirs] = plain.segment(plain.trace(pixels.double(), mask), [ALL])
    torch.testing.assert_close(mine, theirs.detach())


@pytest.mark.parametrize("step", [fuse_mask_upsampling, accelerated])
def test_the_segmenter_stays_as_it_is(step):
    plain = segmenter()
    before = weights_version(plain)
    fast = step(plain)
    fast.segment(fast.trace(*inputs()), [ALL, ALL])
    assert weights_version(plain) == before
    mine = {tensor.data_ptr() for tensor in (*plain.parameters(), *plain.buffers())}
    assert mine.isdisjoint(tensor.data_ptr() for tensor in (*fast.parameters(), *fast.buffers()))
