import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from condetr.checkpoints.loading import load
from condetr.checkpoints.saving import save
from condetr.core.errors import CheckpointError
from tests.unit.checkpoints.conftest import LABELS, TINY

PIXELS = torch.linspace(-1, 1, 3 * 64 * 96).reshape(1, 3, 64, 96)


def edit(file: Path, **fields) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def test_a_stored_model_comes_back(folder, detector):
    checkpoint = load(folder)
    assert not checkpoint.detector.training
    assert checkpoint.config == TINY
    assert checkpoint.labels == LABELS
    state = detector.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in checkpoint.detector.state_dict().items())
    assert checkpoint.provenance.key_format == "hub"
    assert checkpoint.provenance.path == folder
    with torch.no_grad():
        assert torch.equal(checkpoint.detector(PIXELS).boxes, detector(PIXELS).boxes)


def test_what_is_loaded_can_be_trained(folder):
    detector = load(folder).detector.train()
    detector(PIXELS).logits.sum().backward()
    assert all(parameter.grad is not None for parameter in detector.head.classes.parameters())
    assert not any(tensor.is_meta for tensor in (*detector.parameters(), *detector.buffers()))


@pytest.mark.parametrize("stored", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("wanted", [torch.float32, torch.bfloat16])
def test_weights_of_any_precision_are_converted_to_the_requested_one(tmp_path, detector, stored, wanted):
    save(tmp_path, detector, LABELS, dtype=stored)
    loaded = load(tmp_path, dtype=wanted).detector
    assert {tensor.dtype for tensor in (*loaded.parameters(), *loaded.buffers())} == {wanted}


def test_new_classes_keep_the_rows_of_known_names(folder, detector):
    checkpoint = load(folder, classes=["zebra", "dog"])
    head = checkpoint.detector.head.classes
    assert checkpoint.labels == {0: "zebra", 1: "dog"}
    assert checkpoint.config.num_labels == 2
    assert torch.equal(head.weight[1], detector.head.classes.weight[1])
    assert torch.equal(head.bias[1], detector.head.classes.bias[1])
    assert head.bias[0].item() == pytest.approx(-4.595, abs=1e-3)  # the authors' prior of a new class
    assert "new class head: copied dog; freshly initialized zebra" in checkpoint.provenance.notes
    assert torch.equal(checkpoint.detector.head.boxes.last.weight, detector.head.boxes.last.weight)


def test_new_classes_begin_as_the_only_class_of_a_model(tmp_path, folder):
    single = load(folder, classes=["dog"])
    save(tmp_path / "single", single.detector, single.labels)
    stored = single.detector.head.classes
    checkpoint = load(tmp_path / "single", classes=["zebra", "horse"])
    head = checkpoint.detector.head.classes
    assert torch.equal(head.weight, stored.weight.expand(2, -1))
    torch.testing.assert_close(head.bias, stored.bias.expand(2) - math.log(2))  # each is one of two equal shares
    assert "new class head: horse, zebra begin as dog" in checkpoint.provenance.notes
    assert not checkpoint.is_trained
    kept = load(tmp_path / "single", classes=["zebra", "dog"]).detector.head.classes
    assert torch.equal(kept.weight[1], stored.weight[0])
    assert kept.bias[0].item() == pytest.approx(-4.595, abs=1e-3)


def test_a_checkpoint_knows_whether_all_of_it_is_trained(folder):
    assert load(folder).is_trained
    assert load(folder, classes=["bird", "cat"], num_queries=9).is_trained
    assert not load(folder, classes=["bird", "zebra"]).is_trained
    assert not load(folder, overrides={"num_queries": 9}, ignore_mismatched_sizes=True).is_trained
    assert not load(without_head(folder), classes=["bird"]).is_trained


@pytest.mark.parametrize("classes", [[], ["a", "a"], "cat"])
def test_classes_must_be_distinct_names(folder, classes):
    with pytest.raises(CheckpointError, match="classes"):
        load(folder, classes=classes)


def test_tensors_of_other_sizes_are_initialized_on_request(folder):
    with pytest.raises(CheckpointError, match="shape mismatch"):
        load(folder, overrides={"num_labels": 7})
    checkpoint = load(folder, overrides={"num_labels": 7, "num_queries": 9}, ignore_mismatched_sizes=True)
    assert checkpoint.detector(PIXELS).logits.shape == (1, 9, 7)
    assert any("decoder.object_queries" in note for note in checkpoint.provenance.notes)


def without_head(folder: Path) -> Path:
    file = folder / "model.safetensors"
    tensors = load_file(file)
    save_file({key.removeprefix("model."): t for key, t in tensors.items() if key.startswith("model.")}, file)
    return folder


def test_a_body_alone_takes_a_new_head_on_request(folder):
    without_head(folder)
    with pytest.raises(CheckpointError, match="no head"):
        load(folder)
    for checkpoint in (load(folder, fresh_head=True), load(folder, classes=["a", "b", "c"])):
        assert torch.equal(checkpoint.detector.head.boxes.last.bias, torch.zeros(4))
        assert any("freshly initialized" in note for note in checkpoint.provenance.notes)


def test_preprocessing_is_loaded(folder):
    assert load(folder).preprocessing is None
    assert any("preprocessor_config.json" in note for note in load(folder).provenance.notes)
    (folder / "preprocessor_config.json").write_text('{"size": {"height": 3, "width": 4}}')
    assert load(folder).preprocessing == {"size": {"height": 3, "width": 4}}
    (folder / "preprocessor_config.json").write_text("[1]")
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json"):
        load(folder)


def test_a_run_folder_gives_its_best_model(tmp_path, detector):
    save(tmp_path / "run" / "last", detector, LABELS)
    assert load(tmp_path / "run").provenance.path.name == "last"
    save(tmp_path / "run" / "best", detector, LABELS)
    assert load(str(tmp_path / "run")).provenance.path.name == "best"


def test_a_weights_file_uses_the_settings_beside_it(folder):
    assert load(folder / "model.safetensors").labels == LABELS


def test_settings_that_do_not_fit_the_weights(folder):
    edit(folder / "config.json", encoder_layers=2)
    with pytest.raises(
        CheckpointError, match=r"model\.safetensors: keys do not match.*missing model\.encoder\.layers\.1"
    ):
        load(folder)


def test_an_architecture_that_timm_cannot_build_is_refused(folder):
    edit(folder / "config.json", backbone_config={"model_type": "timm_backbone", "backbone": "no_such_net"})
    with pytest.raises(CheckpointError, match="backbone: timm has no architecture 'no_such_net'"):
        load(folder)
    pytest.importorskip("timm")
    broken = {"model_type": "timm_backbone", "backbone": "regnety_002", "out_indices": [77]}
    edit(folder / "config.json", backbone_config=broken)
    with pytest.raises(CheckpointError, match=r"backbone: timm cannot build.*77"):
        load(folder)


@pytest.mark.slow
def test_loading_imports_no_compiler(folder):
    """Random values for weights that are replaced would: torch draws them on its meta device through sympy."""
    script = (
        "import sys; from condetr.checkpoints.loading import load; load(sys.argv[1]); print('sympy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
