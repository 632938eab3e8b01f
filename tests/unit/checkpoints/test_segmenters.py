import json
from argparse import Namespace
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from condetr.checkpoints.cleaning import StoredState
from condetr.checkpoints.empty_network import shapes_of
from condetr.checkpoints.keys import FORMATS, SEGMENTER_PREFIXES, foreign_keys
from condetr.checkpoints.loading import load
from condetr.checkpoints.saving import save
from condetr.checkpoints.translate import to_condetr
from condetr.core.errors import CheckpointError, UsageError
from condetr.model.detector import ConditionalDetr
from condetr.model.mask_fpn import PRIOR_BIAS
from condetr.model.segmenter import ConditionalDetrSegmenter
from tests.scramble import scramble
from tests.unit.checkpoints.conftest import LABELS, TINY

PIXELS = torch.linspace(-1, 1, 3 * 64 * 96).reshape(1, 3, 64, 96)
PREFIXES = {"original": "detr."} | dict.fromkeys(("hub", "transformers"), "conditional_detr.")


@pytest.fixture
def segmenter() -> ConditionalDetrSegmenter:
    return scramble(ConditionalDetrSegmenter(TINY).eval())


@pytest.fixture
def stored(tmp_path, segmenter):
    """A segmenter as condetr stores it."""
    save(tmp_path / "segmenter", segmenter, LABELS)
    return tmp_path / "segmenter"


def with_keys_of(segmenter, key_format) -> dict[str, torch.Tensor]:
    """Its tensors as files of that key format have them."""
    state, parts = segmenter.state_dict(), {}
    for name, foreign in foreign_keys(state, TINY.backbone, key_format, "timm").items():
        prefix = "" if name.startswith("mask_head.") else PREFIXES.get(key_format, "")
        parts.setdefault(prefix + foreign.key, []).append(state[name])
    return {key: torch.cat(found) for key, found in parts.items()}


def same(one, other) -> bool:
    state = other.state_dict()
    return all(torch.equal(tensor, state[name]) for name, tensor in one.state_dict().items())


@pytest.mark.parametrize("key_format", FORMATS)
@pytest.mark.parametrize("wrapper", ["", "module."])
def test_every_key_format(segmenter, key_format, wrapper):
    weights = {wrapper + key: tensor for key, tensor in with_keys_of(segmenter, key_format).items()}
    found = to_condetr(StoredState.of(weights, "file"), shapes_of(segmenter), TINY.backbone)
    state = segmenter.state_dict()
    assert found.key_format == key_format
    assert found.tensors.keys() == state.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in found.tensors.items())


@pytest.mark.parametrize("key_format", ["hub", "transformers", "original"])
def test_no_two_tensors_share_a_key(segmenter, key_format):
    names = segmenter.state_dict()
    assert len(set(foreign_keys(names, TINY.backbone, key_format, "timm").values())) == len(names)


def test_a_stored_segmenter_is_loaded_as_one(stored, segmenter):
    checkpoint = load(stored)
    assert isinstance(checkpoint.detector, ConditionalDetrSegmenter)
    assert same(segmenter, checkpoint.detector)
    assert json.loads((stored / "config.json").read_text())["architectures"] == ["ConditionalDetrForSegmentation"]
    tensors = load_file(stored / "model.safetensors")
    assert all(key.startswith(("mask_head.", "bbox_attention.", SEGMENTER_PREFIXES[0])) for key in tensors)
    card = (stored / "README.md").read_text()
    assert "pipeline_tag: image-segmentation" in card
    assert "ConditionalDetrForSegmentation" in card
    trace = checkpoint.detector.trace(PIXELS)
    assert not checkpoint.detector.segment(trace, [torch.arange(2)])[0].is_meta


def test_a_detector_of_it(stored, segmenter, tmp_path):
    checkpoint = load(stored, detector_only=True)
    assert type(checkpoint.detector) is ConditionalDetr
    assert same(checkpoint.detector, segmenter)
    assert any("left out the mask head: 32 tensors" in note for note in checkpoint.provenance.notes)
    save(tmp_path / "detector", checkpoint.detector, LABELS)
    assert json.loads((tmp_path / "detector" / "config.json").read_text())["architectures"] == [
        "ConditionalDetrForObjectDetection"
    ]


def test_a_detector_begins_a_segmenter(folder, detector):
    checkpoint = load(folder, fresh_mask_head=True)
    assert isinstance(checkpoint.detector, ConditionalDetrSegmenter)
    assert same(detector, checkpoint.detector)
    assert checkpoint.detector.mask_head.pyramid.output.bias.item() == PRIOR_BIAS
    assert any(note.startswith("new mask head, freshly initialized") for note in checkpoint.provenance.notes)
    assert type(load(folder).detector) is ConditionalDetr


def test_a_stored_mask_head_is_kept_with_fresh_mask_head(stored, segmenter):
    checkpoint = load(stored, fresh_mask_head=True)
    assert same(segmenter, checkpoint.detector)
    assert not any("new mask head" in note for note in checkpoint.provenance.notes)
    with pytest.raises(UsageError, match="detector_only"):
        load(stored, fresh_mask_head=True, detector_only=True)


def test_other_classes(stored, folder, segmenter):
    for checkpoint in (load(stored, classes=["zebra", "dog"]), load(folder, classes=["dog"], fresh_mask_head=True)):
        assert isinstance(checkpoint.detector, ConditionalDetrSegmenter)
        assert checkpoint.detector(PIXELS).logits.shape[-1] == len(checkpoint.labels)
    kept = load(stored, classes=["zebra", "dog"]).detector
    assert torch.equal(kept.mask_head.pyramid.conv1.conv.weight, segmenter.mask_head.pyramid.conv1.conv.weight)


def without(folder, *starts):
    file = folder / "model.safetensors"
    save_file({key: t for key, t in load_file(file).items() if not key.startswith(starts)}, file)


def test_what_config_says_must_be_there(stored):
    without(stored, "mask_head.", "bbox_attention.")
    with pytest.raises(
        CheckpointError, match=r"model\.safetensors: holds no mask head, but its config\.json describes a segmenter"
    ):
        load(stored)
    assert type(load(stored, detector_only=True).detector) is ConditionalDetr
    assert isinstance(load(stored, fresh_mask_head=True).detector, ConditionalDetrSegmenter)


def test_half_a_mask_head_is_never_completed(stored):
    without(stored, "mask_head.lay4")
    for options in ({}, {"fresh_mask_head": True}):
        with pytest.raises(CheckpointError, match=r"missing mask_head\.lay4\.bias, mask_head\.lay4\.weight"):
            load(stored, **options)


def test_no_mask_head_in_a_state_dict(detector, segmenter):
    with pytest.raises(CheckpointError, match=r"file: holds no mask head.*fresh_mask_head=True"):
        to_condetr(StoredState.of(detector.state_dict(), "file"), shapes_of(segmenter), TINY.backbone)


def test_a_network_that_cannot_have_one(tmp_path, detector):
    odd = scramble(ConditionalDetr(replace(TINY, encoder_attention_heads=4)).eval())
    save(tmp_path / "odd", odd, LABELS)
    with pytest.raises(CheckpointError, match=r"odd: d_model: is 16, and 4 encoder attention heads make 20"):
        load(tmp_path / "odd", fresh_mask_head=True)


@pytest.mark.parametrize("heads", [8, 16])
def test_the_authors_file_without_settings(tmp_path, heads):
    """Only the first convolution of the mask head shows the number of attention heads."""
    segmenter = scramble(ConditionalDetrSegmenter(replace(TINY, encoder_attention_heads=heads)).eval())
    torch.save({"model": with_keys_of(segmenter, "original"), "epoch": 3}, tmp_path / "weights.pth")
    checkpoint = load(tmp_path / "weights.pth")
    assert checkpoint.config.encoder_attention_heads == heads
    assert same(segmenter, checkpoint.detector)
    assert any(f"with {heads} heads" in note for note in checkpoint.provenance.notes)


def test_the_authors_file_with_settings(tmp_path, segmenter):
    arguments = Namespace(masks=True, frozen_weights=None, nheads=8, mask_loss_coef=3, dice_loss_coef=0.5)
    torch.save({"model": with_keys_of(segmenter, "original"), "args": arguments}, tmp_path / "weights.pth")
    checkpoint = load(tmp_path / "weights.pth")
    assert same(segmenter, checkpoint.detector)
    assert checkpoint.flat["mask_loss_coefficient"] == 3
    assert checkpoint.flat["dice_loss_coefficient"] == 0.5


def test_two_tensors_for_one_key_must_agree(segmenter):
    weights = with_keys_of(segmenter, "hub")
    weights["model.input_projection.bias"] = torch.zeros(16)
    with pytest.raises(CheckpointError, match=r"model\.input_projection\.bias: two tensors"):
        to_condetr(StoredState.of(weights, "file"), shapes_of(segmenter), TINY.backbone)
