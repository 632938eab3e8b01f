import numpy as np
import pytest
import torch
from torch import nn

from condetr.hf.models.outputs import ConditionalDetrSegmentationOutput
from condetr.hf.models.segmentation import ConditionalDetrForSegmentation
from condetr.hf.pipelines.pipeline import pipeline
from condetr.hf.pipelines.segmentation_pipeline import ImageSegmentationPipeline
from condetr.hf.processing.image_processing import ConditionalDetrImageProcessor
from tests.unit.hf.models.test_segmentation import segmenter
from tests.unit.hf.processing.test_image_processing import image

SMALL = {"shortest_edge": 40, "longest_edge": 64}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("segmenter")
    segmenter(label_ids_to_fuse=[2]).save_pretrained(folder)
    ConditionalDetrImageProcessor(size=SMALL).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def segment(folder):
    return pipeline("image-segmentation", model=folder, device="cpu", threshold=0.0, overlap_mask_area_threshold=0.0)


def pixels_of(found):
    return np.stack([np.asarray(item["mask"]) for item in found])


class Halves(nn.Module):
    """Says for every image: left a cat (twice), right the sky in two pieces."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.config = segmenter(label_ids_to_fuse=[2]).config
        self.dtype = torch.float32

    def forward(self, pixel_values, pixel_mask):
        logits = torch.full((len(pixel_values), 3, 3), -9.0)
        logits[:, 0, 0] = logits[:, 1, 2] = logits[:, 2, 2] = 9.0
        masks = torch.full((len(pixel_values), 3, 8, 8), -9.0)
        masks[:, 0, :, :4] = masks[:, 1, :4, 4:] = masks[:, 2, 4:, 4:] = 9.0
        return ConditionalDetrSegmentationOutput(logits=logits, pred_masks=masks)


@pytest.fixture
def halves():
    return ImageSegmentationPipeline(Halves(), ConditionalDetrImageProcessor(size=SMALL), torch.device("cpu"))


@pytest.mark.parametrize(
    ("subtask", "expected"),
    [
        (None, ["cat", "remote"]),
        ("panoptic", ["cat", "remote"]),
        ("instance", ["cat", "remote", "remote"]),
        ("semantic", ["cat", "remote"]),
    ],
)
def test_each_subtask(halves, subtask, expected):
    found = halves(image(60, 80), subtask=subtask)
    assert [item["label"] for item in found] == expected
    assert all(list(item) == ["score", "label", "mask"] for item in found)
    assert all((row["score"] is None) == (subtask == "semantic") for row in found)
    masks = pixels_of(found)
    assert found[0]["mask"].mode == "L"
    assert found[0]["mask"].size == image(60, 80).size
    assert set(np.unique(masks)) == {0, 255}
    claims = (masks > 0).sum(0)
    assert claims.max() == 1
    assert claims.mean() > 0.95, "where three masks meet, none reaches the threshold"
    assert (masks[0, :, : masks.shape[2] // 2 - 8] == 255).all()


def test_thresholds_of_the_pipeline_and_of_a_call(segment, folder):
    found = segment(image(60, 80))
    assert found
    assert pipeline("image-segmentation", model=folder, device="cpu")(image(60, 80)) == []
    assert segment(image(60, 80), threshold=1.0) == []
    assert pixels_of(segment(image(60, 80), mask_threshold=0.0)).any(0).all()
    assert len(segment(image(60, 80), overlap_mask_area_threshold=1.0)) <= len(found)
    alike = pipeline("image-segmentation", model=folder, device="cpu", subtask="semantic")
    assert [item["label"] for item in alike(image(60, 80))] == [
        item["label"] for item in segment(image(60, 80), subtask="semantic")
    ]


def test_one_image_a_list_a_stream(segment, tmp_path):
    first = image(60, 80)
    first.save(tmp_path / "a.png")
    found = segment(first)
    for form in (tmp_path / "a.png", np.asarray(first)):
        assert (pixels_of(segment(form)) == pixels_of(found)).all()
    assert [len(each) for each in segment([first, first], batch_size=2)] == [len(found)] * 2
    assert len(next(segment(value for value in (first,)))) == len(found)


def test_a_segmenter_says_its_task(folder):
    model = ConditionalDetrForSegmentation.from_pretrained(folder)
    assert pipeline(model=model).task == "image-segmentation"
    assert pipeline(model=folder).task == "object-detection"


def test_what_it_cannot_do_is_refused(folder, segment):
    with pytest.raises(ValueError, match="subtask: is 'depth', expected one of panoptic, instance, semantic"):
        segment(image(60, 80), subtask="depth")
    with pytest.raises(ValueError, match="mask_threshold: is an option of image-segmentation, not of object-detection"):
        pipeline("object-detection", model=folder, mask_threshold=0.3)
    padding = ConditionalDetrImageProcessor(size=SMALL, pad_size={"height": 99, "width": 99})
    with pytest.raises(ValueError, match="pads images, and masks would include the padding"):
        pipeline("image-segmentation", model=folder, image_processor=padding)(image(60, 80))
