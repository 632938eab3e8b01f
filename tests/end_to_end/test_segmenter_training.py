"""Segmenters are trained, resumed, measured and used as detectors are, and made from them."""

import json
from functools import partial

import pytest
import torch
from safetensors.torch import load_file

import condetr
from condetr.data.demo.scene_folder import write_scenes
from condetr.model.config import DetectorConfig, ResNetDescription
from condetr.training.initial_model import InitialModel
from condetr.training.run.events import Evaluated, Stepped
from condetr.workflows.training import run, settings_of

NETWORK = """
network:
  backbone: {block: basic, depths: [1, 1, 1], widths: [8, 16, 16], stem_widths: [8], output_stride: 8}
  d_model: 32
  encoder_layers: 1
  encoder_attention_heads: 8
  encoder_ffn_dim: 32
  decoder_layers: 1
  decoder_attention_heads: 8
  decoder_ffn_dim: 32
  num_queries: 12
batch: 4
workers: 0
warmup: 1
image_size: 64
max_size: 64
"""


class StoppedError(Exception):
    pass


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """The same images with everything labeled, and with the digits only."""
    folder = tmp_path_factory.mktemp("scenes")
    for task in ("instance", "panoptic"):
        write_scenes(folder / task, train=8, val=3, task=task)
    return folder


@pytest.fixture
def network(tmp_path):
    (tmp_path / "network.yaml").write_text(NETWORK)
    return tmp_path / "network.yaml"


def rows_of(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("task", "measure", "file"), [("instance", "mask_ap50", "coco"), ("panoptic", "pq", "coco-panoptic")]
)
def test_from_labelled_masks_to_masks(command, scenes, network, tmp_path, task, measure, file):
    data, out = scenes / task, tmp_path / "run"
    trained = command("train", data, "--config", network, "--task", task, "--epochs", 2, "--output", out)
    assert trained.returncode == 0, trained.stderr
    steps = [row for row in rows_of(out) if "loss" in row]
    assert len(steps) == 4
    assert all(row["loss_mask"] > 0 and row["loss_dice"] > 0 for row in steps)
    assert [row[measure] for row in rows_of(out) if "loss" not in row] == pytest.approx([0.0, 0.0], abs=0.3)
    assert {path.name for path in (out / "samples").iterdir()} == {"training.jpg", "predictions.jpg"}
    assert condetr.load(out).task == task

    measured = command("evaluate", data, "--model", out, "--json")
    assert measured.returncode == 0, measured.stderr
    report = json.loads(measured.stdout)
    assert report["masks"]["ap50"] >= 0 if task == "instance" else report["panoptic"]["pq"] >= 0
    words = ("--model", out, "--threshold", "0.0", "--save", f"images,{file}", "--output", tmp_path / "found")
    found = command("predict", data / "val", *words)
    assert found.returncode == 0, found.stderr
    assert "3 ok, 0 failed" in found.stdout


def test_a_detector_learns_masks_and_stays_as_it_was(command, scenes, network, tmp_path):
    first = command("train", scenes / "instance", "--config", network, "--epochs", 1, "--output", tmp_path / "boxes")
    assert first.returncode == 0, first.stderr
    words = ("--config", network, "--model", tmp_path / "boxes", "--task", "instance", "--freeze", "detector")
    (tmp_path / "network.yaml").write_text(NETWORK.split("batch:", 1)[1].join(("batch:", "")))
    second = command("train", scenes / "instance", *words, "--epochs", 1, "--output", tmp_path / "masks")
    assert second.returncode == 0, second.stderr
    assert "new mask head, freshly initialized" in second.stderr
    before, after = (load_file(tmp_path / name / "last/model.safetensors") for name in ("boxes", "masks"))
    by_name = {name.removeprefix("conditional_detr."): tensor for name, tensor in after.items()}
    assert len(by_name) > len(before)
    for name, tensor in before.items():
        assert torch.equal(by_name[name], tensor), name


def test_a_segmenter_becomes_a_detector(scenes, tmp_path):
    segmenter = condetr.load(small(scenes / "instance", "instance", tmp_path / "masks").folder)
    how = {"epochs": 1, "batch": 4, "image_size": 64, "max_size": 64, "workers": 0}
    learned = segmenter.train(scenes / "instance", output=tmp_path / "again", **how)
    assert "mask_ap" in learned.metrics
    trained = segmenter.train(scenes / "instance", task="detect", output=tmp_path / "boxes", **how)
    assert "ap" in trained.metrics
    assert "mask_ap" not in trained.metrics
    assert not any("mask" in name for name in load_file(trained.folder / "last/model.safetensors"))
    assert condetr.load(trained.folder).task == "detect"
    assert segmenter.task == "instance"


@pytest.mark.parametrize("stop", [2, 3])
def test_stopped_and_resumed_is_bit_for_bit_the_same(scenes, tmp_path, stop):
    def stopping(event):
        if isinstance(event, Stepped) and event.step == stop:
            raise StoppedError

    whole = small(scenes / "panoptic", "panoptic", tmp_path / "whole")
    with pytest.raises(StoppedError):
        small(scenes / "panoptic", "panoptic", tmp_path / "parts", say=stopping, save_every=1)
    events = []
    parts = small(scenes / "panoptic", "panoptic", tmp_path / "parts", resume=True, say=events.append, save_every=1)
    assert sum(isinstance(event, Stepped) for event in events) < 6
    assert any(isinstance(event, Evaluated) for event in events)
    weights = [(tmp_path / name / "last/model.safetensors").read_bytes() for name in ("whole", "parts")]
    assert weights[0] == weights[1]
    assert whole.metrics == parts.metrics


def begun(task, classes):
    torch.manual_seed(0)
    backbone = ResNetDescription(block="basic", depths=(1, 1, 1), widths=(8, 16, 16), stem_widths=(8,), output_stride=8)
    sizes = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    heads = {"encoder_attention_heads": 8, "decoder_attention_heads": 8}
    config = DetectorConfig(backbone=backbone, num_labels=len(classes), num_queries=12, dropout=0.1, **sizes, **heads)
    return InitialModel.from_config(config, task=task, origin={})


def small(data, task, output, begin=None, *, say=lambda event: None, resume=False, **settings):
    named = {
        **{"task": task, "epochs": 3, "batch": 4, "image_size": 64, "max_size": 64, "workers": 0, "warmup": 1},
        **{"augment": "strong", "lr": 1e-4, "lr_backbone": 1e-5, "pretrain_backbone": 0},
    } | settings

    def build(classes, queries):
        return (begin or partial(begun, task))(classes)

    named = settings_of(named, output if resume else None)
    return run(data, named, build, output=output, resume=resume, device="cpu", say=say)
