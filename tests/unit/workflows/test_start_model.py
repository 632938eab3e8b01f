import shutil

import pytest
import torch

from condetr.bundled import DIGITS, FOLDER
from condetr.checkpoints.loading import load
from condetr.checkpoints.saving import save
from condetr.core.errors import CheckpointError, UsageError
from condetr.model.config import NetworkConfig
from condetr.workflows import start_model
from condetr.workflows.published import COCO
from condetr.workflows.start_model import best_start, for_task, network_of_size, start_of_size
from tests.tiny import LABELS, tiny_detector, tiny_segmenter


@pytest.fixture
def world(monkeypatch):
    """What there is to begin with; tests change its attributes."""

    class World:
        device, cached, answers, download = "cpu", False, False, None

        def __init__(self):
            self.bundled = {DIGITS: FOLDER}

        def find(self, name):
            if isinstance(self.download, Exception):
                raise self.download

    world = World()
    monkeypatch.setattr(start_model, "device_of", lambda _: torch.device(world.device))
    monkeypatch.setattr(start_model, "is_cached", lambda name: name == COCO and world.cached)
    monkeypatch.setattr(start_model, "hub_answers", lambda name: name == COCO and world.answers)
    monkeypatch.setattr(start_model, "find", world.find)
    monkeypatch.setattr(start_model, "bundled_models", lambda: world.bundled)
    return world


@pytest.mark.parametrize(
    ("there_is", "model", "reason"),
    [
        ({"cached": True}, COCO, "the COCO model is in the cache of the hub"),
        ({"answers": True}, "condetr/small", f"it is part of condetr; {COCO} is not in the cache, and it is large for"),
        ({"device": "cuda"}, "condetr/small", f"it is part of condetr; {COCO} is not in the cache, and the hub does"),
        ({"device": "cuda", "answers": True}, COCO, "the COCO model is on the hub, and there is a cuda device"),
        (
            {"device": "cuda", "answers": True, "download": CheckpointError("cannot be fetched: disk full")},
            "condetr/small",
            f"it is part of condetr; {COCO} cannot be fetched: disk full",
        ),
    ],
)
def test_the_best_start_depends_on_the_machine_and_the_hub(world, there_is, model, reason):
    world.bundled = dict.fromkeys((DIGITS, "condetr/small", "condetr/nano"), FOLDER)
    for name, value in there_is.items():
        setattr(world, name, value)
    start = best_start("detect", "auto")
    assert (start.model, start.reason.startswith(reason)) == (model, True), start.reason


def test_masks_need_a_start_that_can_have_a_mask_head(world, tmp_path):
    assert best_start("detect", "cpu").model == DIGITS
    for task in ("instance", "panoptic"):
        start = best_start(task, "cpu")  # digits has four heads of attention
        assert (start.model, start.reason.startswith("no model of the package can have a mask head; ")) == (None, True)
    eight = tiny_detector(encoder_attention_heads=8, backbone=tiny_segmenter().config.backbone)
    save(tmp_path / "nano", eight, LABELS)
    world.bundled = {**world.bundled, "condetr/nano": tmp_path / "nano"}
    assert best_start("instance", "cpu").model == "condetr/nano"


def test_masks_begin_with_a_trained_mask_head_where_there_is_one(world, tmp_path):
    save(tmp_path / "masks", tiny_segmenter(), LABELS)
    world.bundled = {"condetr/small": FOLDER}
    assert for_task("condetr/small", "instance") == "condetr/small"
    world.bundled["condetr/small-masks"] = tmp_path / "masks"
    assert best_start("detect", "cpu").model == start_of_size("small") == "condetr/small"
    assert best_start("instance", "cpu").model == start_of_size("small", "instance") == "condetr/small-masks"
    assert start_of_size("small", "panoptic") == "condetr/small"
    assert for_task("other", "instance") == "other"
    assert for_task(None, "instance") is None


def test_sizes(world, tmp_path):
    assert start_of_size("base") == COCO
    assert network_of_size("base") == NetworkConfig()
    large = network_of_size("large").backbone
    assert (large.depths, large.stride) == ((3, 4, 23, 3), 16)
    for asked in (start_of_size, network_of_size):
        with pytest.raises(UsageError, match=r"size: nano needs condetr/nano, .* \(it has condetr/digits\)"):
            asked("nano")
    with pytest.raises(UsageError, match=r"size: large has no start model .*\.pth"):
        start_of_size("large")
    world.bundled = {"condetr/nano": shutil.copytree(FOLDER, tmp_path / "nano")}
    assert start_of_size("nano") == "condetr/nano"
    assert network_of_size("nano").with_classes(10) == load(FOLDER).config
