import copy

import pytest
import torch
from torch.nn.functional import conv2d, interpolate

from condetr.core.errors import SettingsError, UsageError
from condetr.model import mask_head
from condetr.model.config import DetectorConfig, ResNetDescription
from condetr.model.detector import ConditionalDetr
from condetr.model.mask_attention import MaskAttention
from condetr.model.mask_fpn import MAP_SCALE, PRIOR_BIAS, MaskPyramid
from condetr.model.segmenter import ConditionalDetrSegmenter, with_masks
from condetr.model.transformer import Trace
from tests.scramble import scramble
from tests.unit.model.test_detector import BACKBONE, tiny

ALL = torch.arange(7)


def segmenter_of(**changes) -> ConditionalDetrSegmenter:
    return scramble(ConditionalDetrSegmenter(tiny(encoder_attention_heads=8, **changes))).eval()


def batch(*sizes):
    height, width = (max(sides) for sides in zip(*sizes, strict=True))
    pixels, mask = torch.zeros(len(sizes), 3, height, width), torch.zeros(len(sizes), height, width, dtype=torch.bool)
    for image, (h, w) in enumerate(sizes):
        pixels[image, :, :h, :w] = torch.randn(3, h, w)
        mask[image, :h, :w] = True
    return pixels, mask


@torch.no_grad()
def test_scores_and_boxes_are_the_detectors():
    segmenter = segmenter_of()
    detector = ConditionalDetr(segmenter.config).eval()
    detector.load_state_dict({n: t for n, t in segmenter.state_dict().items() if not n.startswith("mask_head.")})
    pixels, mask = batch((70, 90), (64, 33), (50, 96))
    for found in (segmenter(pixels, mask), segmenter.predict_last(segmenter.trace(pixels, mask))):
        assert torch.equal(found.logits, detector(pixels, mask).logits)
        assert torch.equal(found.boxes, detector(pixels, mask).boxes)


@pytest.mark.parametrize("size", [(70, 90), (1, 1), (64, 64), (97, 2)], ids=str)
@torch.no_grad()
def test_masks_are_those_of_the_chosen_in_their_order(size):
    segmenter = segmenter_of()
    trace = segmenter.trace(*batch(size, (33, 20), (5, 61)))
    every = segmenter.segment(trace, [ALL] * 3)
    assert [len(of_image) for of_image in every] == [7] * 3
    assert every[0].shape[1:] == trace.features[0].shape[2:]
    chosen = [torch.tensor([4]), torch.tensor([], dtype=torch.int64), torch.tensor([6, 0, 3])]
    some = segmenter.segment(trace, chosen)
    assert [len(of_image) for of_image in some] == [1, 0, 3]
    for of_image, all_of_image, numbers in zip(some, every, chosen, strict=True):
        torch.testing.assert_close(of_image, all_of_image[numbers], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_images_do_not_see_each_other():
    segmenter = segmenter_of()
    pixels, mask = batch((70, 90), (64, 33))
    together = segmenter.segment(segmenter.trace(pixels, mask), [ALL, ALL])
    for image in range(2):
        [alone] = segmenter.segment(segmenter.trace(pixels[image, None], mask[image, None]), [ALL])
        torch.testing.assert_close(alone, together[image], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_blocks_change_nothing(monkeypatch):
    segmenter = segmenter_of()
    trace = segmenter.trace(*batch((70, 90)))
    blocks = []
    segmenter.mask_head.pyramid.register_forward_pre_hook(lambda _, inputs: blocks.append(len(inputs[0])))
    [whole] = segmenter.segment(trace, [ALL])
    monkeypatch.setattr(mask_head, "BLOCK_SIZE", 2 * 40 * 9)
    assert blocks == [7]
    [pieces] = segmenter.segment(trace, [ALL])
    assert len(blocks) > 2
    torch.testing.assert_close(pieces, whole, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_the_image_is_looked_at_once():
    segmenter = segmenter_of()
    looked = []
    for name in ("body.backbone", "body.input_projection", "body.encoder", "body.decoder", "mask_head.attention.key"):
        segmenter.get_submodule(name).register_forward_pre_hook(lambda *_, name=name: looked.append(name))
    trace = segmenter.trace(*batch((70, 90), (64, 33)))
    segmenter.segment(trace, [ALL, ALL])
    assert sorted(looked) == sorted({*looked})
    assert len(looked) == 5


@torch.no_grad()
def test_the_pyramid_is_detrs():
    """Side by side: features and maps; what the features add is only computed once for all objects."""
    pyramid = scramble(MaskPyramid(16, 8, (6, 5, 4)))
    projected, maps = torch.randn(1, 16, 3, 4), torch.rand(2, 8, 3, 4)
    features = tuple(torch.randn(1, c, *size) for c, size in ((6, (9, 16)), (5, (6, 8)), (4, (3, 4)), (99, (3, 4))))
    x = torch.cat((projected.expand(2, -1, -1, -1), maps), 1)
    for refinement in (pyramid.conv1, pyramid.conv2):
        x = refinement.norm(refinement.conv(x)).relu()
    for stage, feature in zip(pyramid.fpn_stages, features[2::-1], strict=True):
        adapted = conv2d(feature, stage.adapter.weight, stage.adapter.bias)
        x = adapted + interpolate(x, size=feature.shape[2:], mode="nearest")
        x = stage.refinement.norm(stage.refinement.conv(x)).relu()
    expected = pyramid.output(x)[:, 0]
    torch.testing.assert_close(
        pyramid(maps, pyramid.image_features(projected, features)), expected, atol=1e-5, rtol=1e-5
    )
    assert expected.std() > 0.01


@torch.no_grad()
def test_new_masks_begin_empty():
    """With a probability of one half, hundreds of steps only make them empty."""
    segmenter = ConditionalDetrSegmenter(tiny(encoder_attention_heads=8)).eval()
    [masks] = segmenter.segment(segmenter.trace(*batch((70, 90))), [ALL])
    assert (masks.sigmoid() < 0.5).float().mean() > 0.9


def test_the_detector_alone_cuts_off_no_masks():
    segmenter = segmenter_of(masks_in_boxes=True)
    assert segmenter.masks_in_boxes
    assert not segmenter.without_masks().config.masks_in_boxes


@torch.no_grad()
def test_maps_share_one_sum_and_leave_padding_out():
    attention = scramble(MaskAttention(16, 4))
    embeddings, memory = torch.randn(3, 16), torch.randn(1, 12, 16)
    cells = torch.arange(12) % 4 < 3
    maps = attention(embeddings, attention.keys(memory)[0], cells)
    torch.testing.assert_close(maps.sum((1, 2)), torch.ones(3))
    assert (maps[..., ~cells] == 0).all()
    other = memory + 100 * (~cells)[None, :, None]
    torch.testing.assert_close(attention(embeddings, attention.keys(other)[0], cells), maps)


def test_without_the_backbone_there_are_no_masks():
    segmenter = segmenter_of()
    pixels, mask = batch((64, 64))
    trace = segmenter.trace(pixels, mask)._replace(features=())
    with pytest.raises(UsageError, match="backbone"):
        segmenter.segment(trace, [ALL])


@torch.no_grad()
def test_stages_run_one_by_one():
    segmenter = segmenter_of()
    pixels, mask = batch((64, 70), (33, 60))
    trace = segmenter.trace(pixels, mask)
    body, size = segmenter.body, trace.cells.shape[1:]
    flattened, grid = body.project(trace.features), body.grid(pixels, mask, *size)
    decoded = body.decode(trace.memory, grid)
    again = Trace(trace.features, flattened, grid.cells, trace.memory, *decoded)
    assert size == body.grid_size(pixels)
    assert torch.equal(body.encode(flattened, grid), trace.memory)
    for one, other in zip(segmenter.segment(again, [ALL] * 2), segmenter.segment(trace, [ALL] * 2), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("training", [True, False])
def test_a_segmenter_around_a_detector(training):
    detector = scramble(ConditionalDetr(tiny(encoder_attention_heads=8))).train(training).double()
    segmenter = with_masks(detector)
    shared = dict(segmenter.named_parameters())
    assert all(shared[name] is parameter for name, parameter in detector.named_parameters())
    assert {p.dtype for p in segmenter.parameters()} == {torch.float64}
    assert segmenter.without_masks().state_dict().keys() == detector.state_dict().keys()
    assert detector.state_dict().keys() == {n for n in segmenter.state_dict() if not n.startswith("mask_head.")}
    copied = copy.deepcopy(segmenter).eval()
    pixels, mask = batch((64, 70))
    trace = copied.trace(pixels.double(), mask)
    assert torch.equal(copied.predict_last(trace).boxes, detector.eval()(pixels.double(), mask).boxes)
    assert copied.segment(trace, [ALL])[0].shape == (7, 16, 18)


def test_it_begins_as_the_authors_begin_but_for_the_scale_of_the_maps_and_the_prior():
    head = ConditionalDetrSegmenter(config := tiny(encoder_attention_heads=8)).mask_head
    with torch.no_grad():
        head.pyramid.conv1.conv.weight[:, config.d_model :] /= MAP_SCALE
    for name, parameter in head.named_parameters():
        if name == "pyramid.output.bias":
            assert parameter.item() == PRIOR_BIAS
        elif name.endswith("bias"):
            assert (parameter == 0).all(), name
        elif parameter.ndim == 1:
            assert (parameter == 1).all(), name
        else:  # uniform, as far as Xavier (linear) or Kaiming with slope 1 (convolution) say
            fan = sum(parameter.shape) / 2 if parameter.ndim == 2 else parameter[0].numel()
            assert 0.8 * (3 / fan) ** 0.5 < parameter.abs().max() <= (3 / fan) ** 0.5, name


@pytest.mark.parametrize(
    ("changes", "item", "message"),
    [
        ({"d_model": 36, "encoder_attention_heads": 6}, "d_model", "36, and 6 encoder attention heads make 42"),
        ({"d_model": 24, "encoder_attention_heads": 8}, "d_model", "24, whose 1/2 is 12"),
        ({"d_model": 48, "encoder_attention_heads": 8}, "d_model", "48, whose 1/4 is 12"),
        ({"d_model": 8, "encoder_attention_heads": 8}, "d_model", "8, whose 1/16 is 0"),
        ({"backbone": "two stages", "encoder_attention_heads": 8}, "backbone", "2 stages, expected at least 3"),
    ],
)
def test_widths_that_no_mask_head_can_have(changes, item, message):
    if changes.get("backbone"):
        changes = changes | {"backbone": ResNetDescription(depths=(1, 1), widths=(8, 16), stem_widths=(8,))}
    config = DetectorConfig(**({"backbone": BACKBONE, "decoder_attention_heads": 4} | changes))
    with pytest.raises(SettingsError) as caught:
        ConditionalDetrSegmenter(config)
    assert caught.value.item == item
    assert message in caught.value.reason


@pytest.mark.parametrize("width", [16, 32, 64, 128, 384])
def test_widths_that_it_can_have(width):
    heads = 8
    MaskPyramid(width, heads, (4, 4, 4))


def test_fresh_masks_depend_on_the_maps_of_the_object():
    """Else all objects of an image have the same mask for the first thousands of steps."""
    torch.manual_seed(0)
    pyramid = MaskPyramid(64, 8, (16, 24, 32))
    coarse, finer = torch.randn(1, 64, 10, 12), [torch.randn(1, c, 10 * n, 12 * n) for c, n in ((24, 2), (16, 4))]
    features = pyramid.image_features(coarse, (finer[1], finer[0], torch.randn(1, 32, 10, 12)))
    maps = torch.zeros(2, 8, 10, 12)
    maps[0, :, :5], maps[1, :, 5:] = 1 / (8 * 60), 1 / (8 * 60)  # each sums to one
    masks = pyramid(maps, features)
    assert (masks[0] - masks[1]).std() > 0.05 * masks.std()  # .085; .0002 with weights like those of the features
