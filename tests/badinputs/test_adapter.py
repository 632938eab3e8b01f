"""The adapter shows what came out: another list of cases, batches, and boxes as COCO has them."""

import numpy as np
import pytest

from tests.badinputs import adapter
from tests.badinputs.annotations import observe


@pytest.fixture(scope="module")
def corpus(shared):
    adapter.setup(shared / "badinputs")
    return shared / "badinputs"


def test_arrays_of_any_list_are_compared_with_the_public_reference(corpus, tmp_path):
    reference = np.load(corpus / "public/arrays/u8_hwc.npy")
    np.save(tmp_path / "batch.npy", np.stack([reference, reference, 255 - reference]))
    case = {"group": "array", "use": "processor(array)", "slug": "batch"}
    observed = adapter.run(case, tmp_path / "batch.npy", tmp_path)
    assert observed["batch"] == 3
    assert observed["diff"] > 1  # of the third
    np.save(tmp_path / "batch.npy", np.stack([reference, reference]))
    observed = adapter.run(case, tmp_path / "batch.npy", tmp_path)
    assert (observed["batch"], observed["diff"]) == (2, 0)


def test_annotations_are_shown_as_coco_has_them(corpus):
    case = {"use": "dataset+train_step", "expect": {"check": {"box": [1, []], "batch": 4}}}
    observed = observe(case, corpus / "public/annotations/good.json")
    assert observed["batch"] == observed["images"] == 4
    assert observed["box"] == [5, 5, 20, 20]
    assert observed["finite"]
