"""Segments of the newest transformers where it is right; and each of its faults, shown beside ours."""

import inspect
from types import SimpleNamespace

import pytest
import torch

from condetr import ConditionalDetrImageProcessor
from condetr.hf.pipelines.segmentation_pipeline import ImageSegmentationPipeline
from tests.unit.images.masks.test_segmenting import half, one_hot

transformers = pytest.importorskip("transformers")
OURS, THEIRS = ConditionalDetrImageProcessor(), transformers.ConditionalDetrImageProcessor()
NAMES = [f"post_process_{task}_segmentation" for task in ("instance", "panoptic", "semantic")]


def sure_of_itself(seed):
    """Twelve queries that share all pixels among them, each sure of its class and its mask; a class for nothing."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.full((2, 12, 7), -20.0)
    labels = torch.randint(7, (2, 12), generator=generator)
    logits.scatter_(2, labels[..., None], 20.0)
    owner = torch.randn(2, 12, 4, 5, generator=generator).argmax(1)
    masks = torch.nn.functional.one_hot(owner, 12).permute(0, 3, 1, 2).float() * 40 - 20
    return SimpleNamespace(logits=logits, pred_masks=masks.repeat_interleave(6, 2).repeat_interleave(8, 3))


def same(mine, their):
    return [
        (one["label_id"], one["was_fused"], one["score"]) for one in mine["segments_info"] if one["label_id"] < 6
    ] == [(one["label_id"], one["was_fused"], one["score"]) for one in their["segments_info"]]


@pytest.mark.parametrize("name", NAMES)
def test_arguments_and_defaults_are_theirs(name):
    mine, their = (inspect.signature(getattr(processor, name)).parameters for processor in (OURS, THEIRS))
    assert [(one.name, one.default) for one in mine.values()] == [(one.name, one.default) for one in their.values()]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sizes", [None, [(48, 80), (30, 70)]])
def test_segments(seed, sizes):
    outputs = sure_of_itself(seed)
    mine = OURS.post_process_instance_segmentation(outputs, target_sizes=sizes)
    theirs = THEIRS.post_process_instance_segmentation(outputs, target_sizes=sizes)
    for one, their in zip(mine, theirs, strict=True):
        assert same(one, their)
        for number, info in enumerate((info for info in one["segments_info"] if info["label_id"] < 6), start=1):
            pixels = (one["segmentation"] == info["id"]).sum()
            # without the last class others claim its pixels, though their masks are not there
            assert (their["segmentation"] == number)[one["segmentation"] == info["id"]].sum() == pixels


@pytest.mark.parametrize("sizes", [None, [(16, 32)]])
def test_runs_are_written_as_theirs(sizes):
    logits, masks = torch.stack((one_hot(0), one_hot(1))), torch.stack((half("left"), half("right")))
    outputs = SimpleNamespace(logits=logits[None], pred_masks=masks[None])
    mine, theirs = (
        processor.post_process_instance_segmentation(outputs, target_sizes=sizes, return_coco_annotation=True)
        for processor in (OURS, THEIRS)
    )
    assert mine[0]["segmentation"] == theirs[0]["segmentation"]


def test_they_lose_the_last_class():
    outputs = SimpleNamespace(logits=one_hot(2)[None, None], pred_masks=half("left")[None, None])
    assert THEIRS.post_process_instance_segmentation(outputs)[0]["segments_info"] == []
    assert [one["label_id"] for one in OURS.post_process_instance_segmentation(outputs)[0]["segments_info"]] == [2]


def test_their_scores_are_high_where_every_sigmoid_is_low():
    logits = torch.tensor([-7.0, -9.0, -9.0])[None, None]
    outputs = SimpleNamespace(logits=logits, pred_masks=half("left")[None, None])
    (their,) = THEIRS.post_process_instance_segmentation(outputs)
    assert their["segments_info"][0]["score"] > 0.5 > 500 * logits.sigmoid().max()
    assert OURS.post_process_instance_segmentation(outputs)[0]["segments_info"] == []


def test_their_masks_claim_every_pixel():
    outputs = SimpleNamespace(logits=one_hot(0)[None, None], pred_masks=half("left")[None, None])
    (their,), (mine,) = (
        processor.post_process_panoptic_segmentation(outputs, label_ids_to_fuse=set()) for processor in (THEIRS, OURS)
    )
    assert their["segmentation"].eq(1).all()
    assert mine["segmentation"].eq(1).sum() == 8 * 8


def test_their_ids_come_twice():
    masks = torch.full((4, 8, 16), -6.0)
    for query in range(4):
        masks[query, :, 4 * query : 4 * query + 4] = 6.0
    logits = torch.stack([one_hot(label, 4) for label in (0, 1, 0, 2)])
    outputs = SimpleNamespace(logits=logits[None], pred_masks=masks[None])
    (their,), (mine,) = (
        processor.post_process_panoptic_segmentation(outputs, label_ids_to_fuse={0}) for processor in (THEIRS, OURS)
    )
    assert [one["id"] for one in their["segments_info"]] == [1, 2, 1, 2]
    assert [one["id"] for one in mine["segments_info"]] == [1, 2, 3]


def test_their_queries_of_one_fused_class_push_each_other_out():
    logits, masks = torch.stack((one_hot(0), one_hot(0))), torch.full((2, 8, 16), 6.0)
    masks[0, :4] += 1
    masks[1, 4:] += 1
    outputs = SimpleNamespace(logits=logits[None], pred_masks=masks[None])
    (their,), (mine,) = (
        processor.post_process_panoptic_segmentation(outputs, label_ids_to_fuse={0}) for processor in (THEIRS, OURS)
    )
    assert their["segments_info"] == []
    assert len(mine["segments_info"]) == 1


def test_their_mask_threshold_is_of_a_product():
    logits = torch.tensor([0.2, -9.0, -9.0])[None, None]  # 0.55 as a sigmoid
    outputs = SimpleNamespace(logits=logits, pred_masks=half("left", 2.0)[None, None])  # 0.88 where it is
    (mine,) = OURS.post_process_instance_segmentation(outputs, mask_threshold=0.6)
    assert mine["segmentation"].eq(1).sum() == 64
    outputs.logits = torch.tensor([0.2, 0.0, -20.0])[None, None]  # softmax of 0.55
    (their,) = THEIRS.post_process_instance_segmentation(outputs, mask_threshold=0.6)
    assert their["segments_info"] == []


@pytest.mark.parametrize("subtask", [None, "instance", "semantic"])
def test_the_pipeline_answers_in_their_form(subtask):
    """Classes that both can find, masks that share all pixels: the same rows, mask by mask."""
    outputs, names = sure_of_itself(0), dict(enumerate("abcdefg"))
    outputs.logits[..., 6] = -20.0
    outputs.logits[0, outputs.logits[0].amax(1) < 0, 3] = 20.0
    both = SimpleNamespace(logits=outputs.logits[:1], pred_masks=outputs.pred_masks[:1])
    model = SimpleNamespace(config=SimpleNamespace(id2label=names))
    peer = SimpleNamespace(image_processor=THEIRS, model=model)
    size = tuple(both.pred_masks.shape[2:])
    given = transformers.utils.ModelOutput(**vars(both), target_size=[size])
    their = transformers.ImageSegmentationPipeline.postprocess(peer, given, subtask=subtask)
    pipeline = ImageSegmentationPipeline.__new__(ImageSegmentationPipeline)
    pipeline.model, pipeline.image_processor = model, OURS
    options = {"threshold": 0.9, "mask_threshold": 0.5, "overlap_mask_area_threshold": 0.5}
    if subtask == "semantic":
        (mine,) = pipeline._classes(both, [size])
    else:
        (mine,) = pipeline._segments(both, [size], kind=subtask or "panoptic", **options)
    assert [(one["score"], one["label"]) for one in mine] == [(one["score"], one["label"]) for one in their]
    assert [one["mask"].tobytes() for one in mine] == [one["mask"].tobytes() for one in their]
    assert {one["mask"].mode for one in mine} == {one["mask"].mode for one in their}
