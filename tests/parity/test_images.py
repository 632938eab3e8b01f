"""Pixels and scored boxes are those of the newest transformers, to the last bit where nothing is a matter of taste."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from condetr.images.preprocessing import Preprocessing
from condetr.images.scoring import detections_of
from tests.unit.images.images import noise

transformers = pytest.importorskip("transformers")
SIZES = (
    {"shortest_edge": 800, "longest_edge": 1333},
    {"shortest_edge": 100, "longest_edge": 120},
    {"height": 90, "width": 70},
    {"max_height": 120, "max_width": 80},
)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("resample", [0, 1, 2, 3])
def test_pixels_of_a_padded_batch_are_equal(size, resample):
    images = [noise(60, 80), noise(211, 97), noise(150, 400), noise(100, 133)]
    settings = {"size": size, "resample": resample}
    theirs = transformers.ConditionalDetrImageProcessor(**settings)(images, return_tensors="pt")
    ours = Preprocessing.from_dict(settings).prepare(images)
    assert torch.equal(ours.pixels, theirs["pixel_values"])
    assert torch.equal(ours.mask.long(), theirs["pixel_mask"])


@pytest.mark.parametrize("size", [(3000, 2200), (480, 640), (653, 958)])
def test_pixels_of_images_of_real_sizes_are_equal(size):
    image = noise(*size).copy()
    theirs = transformers.ConditionalDetrImageProcessor()(image, return_tensors="pt")["pixel_values"]
    assert torch.equal(Preprocessing().prepare([image]).pixels, theirs)


@pytest.mark.parametrize("numerics", ["torchvision", "pil"])
@pytest.mark.parametrize(
    "settings",
    [
        {"do_rescale": False},
        {"do_normalize": False},
        {"do_rescale": False, "do_normalize": False},
        {"rescale_factor": 1 / 128},
        {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]},
        {"do_resize": False},
        {"pad_size": {"height": 900, "width": 1400}},
    ],
    ids=str,
)
def test_every_step_is_equal(settings, numerics):
    peer = {"torchvision": "ConditionalDetrImageProcessor", "pil": "ConditionalDetrImageProcessorPil"}[numerics]
    image = noise(60, 80)
    theirs = getattr(transformers, peer)(**settings)(image, return_tensors="pt")
    ours = Preprocessing.from_dict(settings, numerics=numerics).prepare([image])
    assert ours.pixels.dtype == theirs["pixel_values"].dtype
    torch.testing.assert_close(ours.pixels, theirs["pixel_values"], atol=1e-5, rtol=1e-6)  # theirs rounds twice in PIL
    assert torch.equal(ours.mask.long(), theirs["pixel_mask"])


@pytest.mark.parametrize("resample", list(Image.Resampling))
def test_pil_filters_are_equal(resample):
    settings = {"size": {"height": 90, "width": 70}, "resample": resample}
    theirs = transformers.ConditionalDetrImageProcessorPil(**settings)(noise(60, 80), return_tensors="pt")
    ours = Preprocessing.from_dict(settings, numerics="pil").prepare([noise(60, 80)])
    torch.testing.assert_close(ours.pixels, theirs["pixel_values"], atol=1e-6, rtol=1e-6)


def test_sizes_are_equal_for_many_images():
    from transformers.image_transforms import get_size_with_aspect_ratio

    generator = np.random.default_rng(0)
    size = Preprocessing().size
    for height, width in generator.integers(50, 5000, (3000, 2)).tolist():
        assert size.fit((height, width), "torchvision") == get_size_with_aspect_ratio((height, width), 800, 1333)


def test_what_it_writes_transformers_reads(tmp_path):
    settings = {"size": {"shortest_edge": 99, "longest_edge": 200}, "do_pad": False, "image_mean": [0.5, 0.4, 0.3]}
    written = Preprocessing.from_dict(settings).to_dict()
    theirs = transformers.ConditionalDetrImageProcessor.from_dict(written)
    assert theirs.size.shortest_edge == 99
    assert not theirs.do_pad
    assert list(theirs.image_mean) == [0.5, 0.4, 0.3]
    again = Preprocessing.from_dict(theirs.to_dict())
    assert (again.size, again.do_pad, again.image_mean) == (
        Preprocessing.from_dict(settings).size,
        False,
        (0.5, 0.4, 0.3),
    )


@pytest.mark.parametrize("sizes", [None, [(480, 640), (100, 37)], torch.tensor([[480, 640], [100, 37]])])
@pytest.mark.parametrize(("threshold", "top_k"), [(0.5, 100), (0.01, 10), (0.0, 9999)])
def test_scored_boxes_are_equal(sizes, threshold, top_k):
    outputs = SimpleNamespace(logits=torch.randn(2, 30, 11) * 3, pred_boxes=torch.rand(2, 30, 4))
    peer = transformers.ConditionalDetrImageProcessor()
    theirs = peer.post_process_object_detection(outputs, threshold, sizes, top_k)
    ours = detections_of(outputs.logits, outputs.pred_boxes, sizes, threshold=threshold, top_k=top_k)
    for mine, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.scores, their["scores"])  # a vectorised sigmoid depends on the place
        assert torch.equal(mine.labels, their["labels"])
        torch.testing.assert_close(mine.boxes, their["boxes"])
