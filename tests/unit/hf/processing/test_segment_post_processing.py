from types import SimpleNamespace

import pytest
import torch

from condetr import ConditionalDetrImageProcessor, ConditionalDetrImageProcessorPil
from condetr.hf.processing import segment_post_processing
from tests.unit.images.masks.test_segmenting import half, one_hot

PROCESSORS = pytest.mark.parametrize(
    "processor", [ConditionalDetrImageProcessor(), ConditionalDetrImageProcessorPil()], ids=["torchvision", "pil"]
)


@pytest.fixture
def outputs():
    """Class 2 on the left, class 0 on the right; nothing in the second image."""
    logits = torch.stack((torch.stack((one_hot(2), one_hot(0))), torch.full((2, 3), -8.0)))
    return SimpleNamespace(logits=logits, pred_masks=torch.stack((half("left"), half("right"))).expand(2, -1, -1, -1))


@PROCESSORS
def test_instances(processor, outputs):
    found, nothing = processor.post_process_instance_segmentation(outputs, target_sizes=[(16, 32), (10, 20)])
    assert found["segmentation"].dtype == torch.int32
    assert found["segmentation"][0].tolist() == [1] * 16 + [2] * 16
    assert found["segments_info"] == [
        {"id": 1, "label_id": 2, "was_fused": False, "score": 0.982014},
        {"id": 2, "label_id": 0, "was_fused": False, "score": 0.982014},
    ]
    assert nothing["segments_info"] == []
    assert nothing["segmentation"].dtype == torch.float32
    assert nothing["segmentation"].shape == (10, 20)
    assert nothing["segmentation"].eq(-1).all()


@PROCESSORS
def test_panoptic(processor, outputs):
    found, nothing = processor.post_process_panoptic_segmentation(outputs, label_ids_to_fuse={2})
    assert found["segmentation"][0].tolist() == [1] * 8 + [2] * 8
    assert [item["was_fused"] for item in found["segments_info"]] == [True, False]
    assert nothing["segments_info"] == []


@PROCESSORS
def test_semantics(processor, outputs):
    sizes = torch.tensor([[16, 32], [8, 16]])
    plain = processor.post_process_semantic_segmentation(outputs, target_sizes=sizes)
    assert plain[0].dtype == torch.int64
    assert plain[0][0].tolist() == [2] * 16 + [0] * 16
    scored = processor.post_process_semantic_segmentation(outputs, sizes, return_segmentation_scores=True)
    assert torch.equal(scored[0].segmentation, plain[0])
    assert scored[0]["segmentation_scores"].shape == (3, 16, 32)


def test_runs_are_row_by_row_from_one(outputs):
    found, nothing = ConditionalDetrImageProcessor().post_process_instance_segmentation(
        outputs, return_coco_annotation=True
    )
    left, right = found["segmentation"]
    assert left[:4] == [1, 8, 17, 8]
    assert right[:4] == [9, 8, 25, 8]
    assert sum(left[1::2]) + sum(right[1::2]) == 8 * 16
    assert nothing["segmentation"].eq(-1).all()


def test_background_comes_first_in_the_runs(outputs):
    outputs.pred_masks = outputs.pred_masks[:, :1]
    outputs.logits = outputs.logits[:, :1]
    found, _ = ConditionalDetrImageProcessor().post_process_instance_segmentation(outputs, return_coco_annotation=True)
    assert [runs[0] for runs in found["segmentation"]] == [9, 1]
    outputs.pred_masks = outputs.pred_masks - 99
    found, _ = ConditionalDetrImageProcessor().post_process_instance_segmentation(outputs, return_coco_annotation=True)
    assert found == {"segmentation": [[1, 128]], "segments_info": []}


def test_missing_fused_classes_give_one_warning(outputs, caplog):
    segment_post_processing._warn_once.cache_clear()
    for _ in range(3):
        ConditionalDetrImageProcessor().post_process_panoptic_segmentation(outputs)
    assert [record.message for record in caplog.records] == [
        "label_ids_to_fuse is missing, so no class is fused into one segment"
    ]


def test_one_size_a_image(outputs):
    for name in ("instance", "panoptic", "semantic"):
        process = getattr(ConditionalDetrImageProcessor(), f"post_process_{name}_segmentation")
        with pytest.raises(ValueError, match="1 sizes for 2 images"):
            process(outputs, target_sizes=[(3, 3)])
