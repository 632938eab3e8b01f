"""transformers' own pipelines, given condetr's models."""

import copy
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

import condetr
from tests.unit.hf.models.test_segmentation import segmenter
from tests.unit.hf.networks import detector, pixels

transformers = pytest.importorskip("transformers")

SIZE = {"size": {"height": 64, "width": 64}}
PROCESSORS = pytest.mark.parametrize("library", [condetr, transformers])
IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8))


@PROCESSORS
def test_object_detection(library):
    model, processor = detector(), library.ConditionalDetrImageProcessor(**SIZE)
    expected = condetr.pipeline("object-detection", model=model, image_processor=processor)(IMAGE, threshold=0.3)
    theirs = transformers.pipeline("object-detection", model=model, image_processor=processor, device="cpu")
    assert "object" in repr(theirs).lower()
    assert theirs(IMAGE, threshold=0.3) == expected
    assert len(expected) > 0
    of_two = theirs([IMAGE, IMAGE], threshold=0.3, batch_size=2)
    assert [[one["box"] for one in found] for found in of_two] == [[one["box"] for one in expected]] * 2


@PROCESSORS
@pytest.mark.parametrize("subtask", ["panoptic", "instance", "semantic"])
@pytest.mark.filterwarnings("ignore:.*mode.*:DeprecationWarning")
def test_image_segmentation(library, subtask):
    processor = library.ConditionalDetrImageProcessor(**SIZE)
    theirs = transformers.pipeline("image-segmentation", model=segmenter(), image_processor=processor, device="cpu")
    found = theirs(IMAGE, subtask=subtask, threshold=0.0)
    assert all(one["mask"].size == IMAGE.size and one["label"] in {"cat", "dog", "remote"} for one in found)
    if library is condetr:  # theirs drops the last class, and masks by softmax (docs/differences.md)
        ours = condetr.pipeline("image-segmentation", model=segmenter(), image_processor=processor)
        expected = ours(IMAGE, subtask=subtask, threshold=0.0)
        assert [(one["label"], one["score"]) for one in found] == [(one["label"], one["score"]) for one in expected]


@torch.no_grad()
def test_outputs_are_also_of_their_kind():
    output = detector()(pixels())
    assert isinstance(output, transformers.utils.ModelOutput)
    assert isinstance(output, condetr.hf.models.outputs.ConditionalDetrObjectDetectionOutput)
    assert output.update({"note": 1}) is None
    assert output.pop("note") == 1
    leaves, structure = torch.utils._pytree.tree_flatten(output)
    assert len(leaves) == 4
    for same in (torch.utils._pytree.tree_unflatten(leaves, structure), copy.copy(output)):
        assert list(same) == list(output)
    assert list(pickle.loads(pickle.dumps(output))) == list(output)
