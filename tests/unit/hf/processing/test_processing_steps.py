"""The steps one at a time come to what `preprocess` does at once."""

import numpy as np
import pytest
import torch

from condetr.hf.processing.image_processing import ConditionalDetrImageProcessor, ConditionalDetrImageProcessorPil
from tests.unit.hf.processing.test_image_processing import SMALL, annotation, image

BOTH = pytest.mark.parametrize("kind", [ConditionalDetrImageProcessor, ConditionalDetrImageProcessorPil])


@BOTH
@pytest.mark.parametrize("form", [np.asarray, torch.from_numpy])
def test_pixels(kind, form):
    ours = kind(size=SMALL)
    original = form(np.asarray(image()).transpose(2, 0, 1).copy())
    small = ours.resize(original, SMALL)
    done = ours.normalize(ours.rescale(small, ours.rescale_factor), ours.image_mean, ours.image_std)
    assert isinstance(small, type(original))
    assert isinstance(done, type(original))
    at_once = ours(original, return_tensors="pt").pixel_values[0]
    torch.testing.assert_close(torch.as_tensor(done), at_once, atol=1e-5, rtol=1e-5)  # two roundings instead of one


@BOTH
@pytest.mark.parametrize("form", [np.asarray, torch.from_numpy])
def test_labels(kind, form):
    ours = kind(size=SMALL)
    original = form(np.asarray(image()).transpose(2, 0, 1).copy())
    segmentation = [[2, 3, 12, 3, 12, 15, 2, 15]]
    labels = ours.prepare_annotation(original, annotation(segmentation=segmentation), return_segmentation_masks=True)
    assert labels["boxes"].tolist() == [[2, 3, 12, 15]]
    assert isinstance(labels["masks"], type(original))
    labels = ours.resize_annotation(labels, (24, 32), (20, 26))
    labels = ours.normalize_annotation(labels, (20, 26))
    small = ours.resize(original, SMALL)
    padded, mask, labels = ours.pad(small, (25, 30), labels)
    assert isinstance(mask, type(original))
    assert (padded.shape, mask.shape, int(mask.sum())) == ((3, 25, 30), (25, 30), 20 * 26)
    at_once = ours(
        original,
        annotation(segmentation=segmentation),
        return_segmentation_masks=True,
        pad_size=(25, 30),
        return_tensors="np" if isinstance(original, np.ndarray) else "pt",
    )
    assert labels.keys() == at_once.labels[0].keys()
    for name, value in at_once.labels[0].items():
        assert isinstance(labels[name], type(original))
        assert np.array_equal(labels[name], value)


def test_a_list_is_padded_as_collate_functions_for_transformers_4_do():
    ours = ConditionalDetrImageProcessor(size=SMALL, do_pad=False)
    each = ours([image(), image(32, 24)]).pixel_values
    batch = ours.pad(each, return_tensors="pt")
    at_once = ours([image(), image(32, 24)], do_pad=True, return_tensors="pt")
    assert torch.equal(batch["pixel_values"], at_once.pixel_values)
    assert torch.equal(batch["pixel_mask"], at_once.pixel_mask)
    assert list(ours.pad(each, return_pixel_mask=False)) == ["pixel_values"]
    assert len(ours.pad(each).pixel_values) == 2


def test_a_frame_that_is_too_small_is_refused():
    with pytest.raises(ValueError, match="too small for an image of 24x32"):
        ConditionalDetrImageProcessor().pad(torch.zeros(3, 24, 32), (20, 40))
