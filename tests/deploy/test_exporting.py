"""torch.export of the transformers-shaped models: one graph for a batch of any length and images of any size."""

import logging

import pytest
import torch
from torch.export import Dim
from torch.utils._pytree import tree_leaves

from tests.unchecked import without_shape_checks
from tests.unit.hf.models.test_segmentation import segmenter
from tests.unit.hf.networks import detector, pixels


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.CRITICAL, "torch.fx.experimental.symbolic_shapes")


def padded(batch, height, width):
    images = pixels(batch, height, width)
    mask = torch.ones(batch, height, width, dtype=torch.long)
    mask[:, -8:] = 0
    return {"pixel_values": images, "pixel_mask": mask}


MODELS = {
    "detector": lambda: detector(),
    "learned": lambda: detector(position_embedding_type="learned"),
    "segmenter": lambda: segmenter(),
}


@torch.no_grad()
@pytest.mark.parametrize("kind", MODELS)
def test_any_batch_and_size(kind):
    model = MODELS[kind]().eval()
    free = {"pixel_values": dict.fromkeys((0, 2, 3), Dim.DYNAMIC), "pixel_mask": dict.fromkeys((0, 1, 2), Dim.DYNAMIC)}
    with without_shape_checks():
        program = torch.export.export(model, (), padded(2, 64, 64), dynamic_shapes=free, strict=False).module()
    for size in ((1, 32, 48), (2, 64, 40), (3, 64, 96)):
        original = padded(*size)
        ours, exported = model(**original), program(**original)
        assert type(exported) is type(ours) or type(ours).__mro__[1] is type(exported)
        assert list(exported) == list(ours)
        for one, other in zip(tree_leaves(exported), tree_leaves(ours), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)  # a graph may sum in another order
