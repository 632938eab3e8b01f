import pytest
import torch

from condetr.checkpoints.loading import load
from condetr.checkpoints.saving import save
from condetr.core.errors import CheckpointError
from condetr.images.preprocessing import Preprocessing
from condetr.training.initial_model import InitialModel
from tests.tiny import LABELS, tiny_detector, tiny_segmenter


@pytest.fixture
def both(tmp_path):
    """The initial model from a stored detector, and from the same one in memory."""

    def initial(detector, **options):
        save(tmp_path / "model", detector, LABELS)
        return (
            InitialModel.from_checkpoint(str(tmp_path / "model"), **options),
            InitialModel.from_model(load(tmp_path / "model"), Preprocessing(), **options),
        )

    return initial


def test_it_is_trained_where_it_has_every_class_and_the_head_of_the_task(both):
    names = list(LABELS.values())
    for classes, task, model, expected in (
        (names[:2], "detect", tiny_detector(), True),
        ([*names, "zebra"], "detect", tiny_detector(), False),
        (names, "instance", tiny_detector(encoder_attention_heads=8, backbone=tiny_segmenter().config.backbone), False),
        (names, "instance", tiny_segmenter(), True),
        (names, "detect", tiny_segmenter(), True),
    ):
        for initial in both(model, classes=classes, task=task):
            assert initial.is_trained is expected, (classes, task)


def test_new_masks_are_known_and_may_be_cut_off_at_their_boxes(both):
    grown = tiny_detector(encoder_attention_heads=8, backbone=tiny_segmenter().config.backbone)
    for model, expected in ((grown, True), (tiny_segmenter(), False)):
        for initial in both(model, classes=["cat"], task="instance"):
            assert initial.has_new_mask_head is expected
            assert not initial.detector.masks_in_boxes
            assert initial.with_masks_in_boxes(True).detector.masks_in_boxes
            assert initial.with_masks_in_boxes(False) is initial
    for initial in both(tiny_segmenter(masks_in_boxes=True), classes=["cat"], task="instance"):
        assert initial.detector.masks_in_boxes
    for initial in both(tiny_segmenter(masks_in_boxes=True), classes=["cat"], task="detect"):
        assert not initial.detector.config.masks_in_boxes
    for initial in both(grown, classes=["cat"], task="detect"):
        assert not initial.has_new_mask_head
        assert initial.with_masks_in_boxes(True) is initial


def test_a_mask_head_grows_on_eight_heads_of_attention_only(both):
    eight = tiny_detector(encoder_attention_heads=8, backbone=tiny_segmenter().config.backbone)
    for initial in both(eight, classes=["cat"], task="instance", num_queries=30):
        initial.detector(torch.rand(1, 3, 32, 32))
        assert any("mask head" in note for note in initial.notes)
        assert initial.detector.config.num_queries == 30
    with pytest.raises(
        CheckpointError, match=r"4 encoder attention heads make 36; the mask head needs a multiple of 8"
    ):
        both(tiny_detector(backbone=eight.config.backbone), classes=["cat"], task="instance")
