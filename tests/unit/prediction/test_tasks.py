"""Predictors that find masks and segments; what the network sees is known."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import condetr
from condetr.checkpoints.saving import save
from condetr.core.errors import ModelError, UsageError
from condetr.core.records import Prediction
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges, Exactly
from condetr.prediction.predictor import Predictor
from tests.painted import NAMES, SURE, SeesColors
from tests.tiny import LABELS, PREPROCESSING, tiny_detector, tiny_segmenter

TWICE = Preprocessing(size=Edges(96, 200), do_normalize=False)


def image(height, width, *blocks):
    """Black, with (color, top, left, bottom, right) blocks."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    for color, top, left, bottom, right in blocks:
        pixels[top:bottom, left:right, color] = 255
    return Image.fromarray(pixels)


BOTH = image(48, 80, (0, 5, 10, 30, 40), (1, 20, 30, 40, 60))  # red and green share a corner


def find(value, **options):
    return Predictor(SeesColors(), TWICE, NAMES, **({"device": "cpu"} | options)).predict(value)


def bits(array):
    return torch.from_numpy(np.asarray(array) > 0)


def test_instances_may_share_pixels():
    [found] = find(BOTH, task="instance")
    assert found.names == ("red", "green")
    assert found.segments is None
    for mask, color in zip(found.masks, (0, 1), strict=True):
        assert torch.equal(mask, bits(BOTH)[..., color])
    torch.testing.assert_close(found.boxes, torch.tensor([[10.0, 5, 40, 30], [30, 20, 60, 40]]), atol=0.6, rtol=0)


class CutsOff(SeesColors):
    """Its masks are of the whole image, its boxes of the first quarter."""

    masks_in_boxes = True

    def predict_last(self, trace):
        logits, boxes = super().predict_last(trace)
        return Prediction(logits, torch.tensor([0.125, 0.5, 0.25, 1.0]).expand_as(boxes))


@pytest.mark.parametrize("task", ["instance", "panoptic"])
def test_masks_of_some_networks_end_with_their_boxes(task):
    reds = []
    for network in (SeesColors(), CutsOff()):
        [found] = Predictor(network, TWICE, NAMES, device="cpu", task=task).predict(BOTH)
        reds.append(found.masks[0] if task == "instance" else found.segments == 1)
    whole, cut = reds
    assert torch.equal(cut[:, :20], whole[:, :20])
    assert whole[:, 21:].any()
    assert not cut[:, 21:].any()


def test_every_pixel_belongs_to_one_segment_at_most():
    [found] = find(BOTH, task="panoptic")
    assert found.names == ("red", "green")
    assert found.masks is None
    red, green = bits(BOTH)[..., 0], bits(BOTH)[..., 1]
    for number, (mine, other) in enumerate(((red, green), (green, red)), start=1):
        assert torch.equal((found.segments == number)[~other], mine[~other])
    shared = found.segments[21:29, 31:39]  # at its very edge a mask is less sure
    assert (shared == 1).all(), "the surer takes what both cover"
    assert found.boxes.tolist() == [[10, 5, 40, 30], [30, 20, 60, 40]]
    assert found.segments.dtype == torch.int32


def test_segments_with_too_little_overlap_are_dropped():
    hidden = image(48, 80, (0, 5, 10, 40, 60), (1, 10, 20, 44, 50))
    [found] = find(hidden, task="panoptic")
    assert found.names == ("red",)
    assert find(hidden, task="panoptic", overlap=0.05)[0].names == ("red", "green")


@pytest.mark.parametrize("task", ["instance", "panoptic"])
def test_options(task):
    assert find(BOTH, task=task, top_k=1)[0].names == ("red",)
    assert find(BOTH, task=task, classes=["green"])[0].names == ("green",)
    assert find(BOTH, task=task, threshold=1.0)[0].names == ()
    surest = torch.tensor(SURE - 0.5).sigmoid().item()
    assert find(BOTH, task=task, threshold=surest)[0].names == ("red",)
    [nothing] = find(image(30, 50), task=task)
    assert len(nothing) == 0
    assert (nothing.masks if task == "instance" else nothing.segments).shape[-2:] == (30, 50)


def test_a_lower_mask_threshold_covers_more():
    covered = [int(find(BOTH, task="instance", mask_threshold=number)[0].masks.sum()) for number in (0.999, 0.5, 1e-6)]
    assert covered == sorted(covered)
    assert covered[0] < covered[2]


def test_a_query_with_several_classes_has_its_mask_for_each():
    [found] = find(BOTH, task="instance", threshold=0.0)
    assert len(found) == 9
    assert [int((found.masks == mask).all((1, 2)).sum()) for mask in found.masks[:2]] == [3, 3]


@pytest.mark.parametrize("task", ["instance", "panoptic"])
def test_padding_is_not_part_of_the_image(task):
    padded = Preprocessing(size=Edges(96, 200), do_normalize=False, pad_size=Exactly(160, 224))
    [plain] = find(BOTH, task=task)
    [found] = Predictor(SeesColors(), padded, NAMES, task=task, device="cpu").predict(BOTH)
    assert found.names == plain.names
    for name in ("masks", "segments"):
        mine, other = getattr(found, name), getattr(plain, name)
        assert other is None or (mine != other).float().mean() < 0.01


@pytest.mark.parametrize("task", ["instance", "panoptic"])
@pytest.mark.parametrize("batch", [2, 3])
def test_a_result_does_not_depend_on_the_batch(task, batch):
    """The tiny network has masks everywhere, none of them sure: pixels at the threshold may tip."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((60, 90), (90, 60), (60, 90), (33, 70))]
    predict = {"threshold": 0.5, "task": task, "overlap": 0.1, "device": "cpu"}
    alone, together = (
        Predictor(tiny_segmenter(), PREPROCESSING, LABELS, batch=count, **predict).predict(images)
        for count in (1, batch)
    )
    assert any(len(part) for part in alone)
    for one, other in zip(alone, together, strict=True):
        assert one.labels.tolist() == other.labels.tolist()
        planes = (one.masks, other.masks) if task == "instance" else (one.segments, other.segments)
        assert (planes[0] != planes[1]).float().mean() < 1e-3


def test_boxes_and_scores_of_instances_are_the_detectors():
    original = np.random.default_rng(1).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    found = [
        Predictor(tiny_segmenter(), PREPROCESSING, LABELS, task=task, threshold=0.4, device="cpu", fast=False).predict(
            original
        )[0]
        for task in ("detect", "instance")
    ]
    assert torch.equal(found[0].boxes, found[1].boxes)
    assert torch.equal(found[0].scores, found[1].scores)
    assert found[1].masks.shape == (len(found[0]), 60, 90)


def test_missing_sources():
    with pytest.raises(UsageError, match="task: is 'instance', but the model has no mask head"):
        Predictor(tiny_detector(), PREPROCESSING, LABELS, task="instance")
    with pytest.raises(UsageError, match="mask_threshold: is 2, expected a number from 0 to 1"):
        find(BOTH, task="instance", mask_threshold=2)
    broken = tiny_segmenter()
    with torch.no_grad():
        next(broken.mask_head.parameters()).fill_(float("nan"))
    for task in ("instance", "panoptic"):
        with pytest.raises(ModelError, match="masks"):
            Predictor(broken, PREPROCESSING, LABELS, task=task, threshold=0.0, device="cpu").predict(BOTH)


def test_a_loaded_model_does_what_it_was_made_for(tmp_path):
    for name, flat in (("instance", {}), ("panoptic", {"label_ids_to_fuse": [2]})):
        save(tmp_path / name, tiny_segmenter(), LABELS, preprocessing=PREPROCESSING.to_dict(), flat=flat)
        model = condetr.load(tmp_path / name, device="cpu")
        assert model.task == name
        found = model.predict(BOTH, threshold=0.3)
        assert (found.masks is None, found.segments is None) == (name == "panoptic", name == "instance")
        assert model.predict(BOTH, task="detect").masks is None


class LooksBeyond(nn.Module):
    """A box of the whole image's size about each corner."""

    def forward(self, pixels, mask):
        corners = torch.tensor([[0.0, 0, 1, 1], [1, 0, 1, 1], [0, 1, 1, 1], [1, 1, 1, 1]])
        return Prediction(torch.full((len(pixels), 4, 1), 3.0), corners.expand(len(pixels), -1, -1))


def test_boxes_are_clipped_to_the_image():
    [found] = Predictor(LooksBeyond(), TWICE, {0: "corner"}, device="cpu").predict(image(48, 80))
    boxes = sorted(found.boxes.tolist())
    assert boxes == [[0, 0, 40, 24], [0, 24, 40, 48], [40, 0, 80, 24], [40, 24, 80, 48]]
