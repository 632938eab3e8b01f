import logging

import pytest
import torch
from safetensors.torch import load_file, save_file

from condetr.checkpoints.loading import load
from condetr.core.errors import CheckpointError, UsageError
from condetr.hf import pushing
from condetr.hf.auto import AutoConfig, AutoModel, AutoModelForObjectDetection
from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.models.base_model import ConditionalDetrModel
from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection
from tests.scramble import scramble
from tests.unit.hf.networks import config, detector, pixels


@pytest.fixture
def stored(tmp_path):
    model = detector(class_cost=3, bbox_loss_coefficient=4, foo="bar")
    model.save_pretrained(tmp_path)
    return tmp_path, model


def equal(one, other):
    assert one.state_dict().keys() == other.state_dict().keys()
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_what_is_saved_is_loaded(stored):
    folder, model = stored
    loaded = ConditionalDetrForObjectDetection.from_pretrained(folder)
    assert not loaded.training
    equal(loaded, model)
    assert loaded.config.id2label == {0: "cat", 1: "dog", 2: "remote"}
    assert (loaded.config.class_cost, loaded.config.foo) == (3, "bar")
    assert loaded.config.name_or_path == str(folder)
    assert torch.equal(load(folder).detector(pixels()).logits, model(pixels()).logits)


def test_the_early_layers_of_a_loaded_model_do_not_learn(stored):
    loaded = ConditionalDetrForObjectDetection.from_pretrained(stored[0])
    assert not any(p.requires_grad for p in loaded.model.backbone.stages[0].parameters())
    assert all(p.requires_grad for p in loaded.model.backbone.stages[1].parameters())


def test_auto_classes(stored):
    folder, model = stored
    assert isinstance(AutoModelForObjectDetection.from_pretrained(folder), ConditionalDetrForObjectDetection)
    assert isinstance(AutoModel.from_pretrained(folder), ConditionalDetrModel)
    assert AutoConfig.from_pretrained(folder, num_queries=4).num_queries == 4
    assert AutoConfig.for_model("conditional_detr", num_queries=4).num_queries == 4
    assert isinstance(AutoModel.from_config(model.config), ConditionalDetrModel)
    for kind in (AutoConfig, AutoModel):
        with pytest.raises(TypeError, match="from_pretrained"):
            kind()


def test_another_model_is_refused_by_its_name(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "yolos"}')
    for auto in (AutoConfig, AutoModel, AutoModelForObjectDetection):
        with pytest.raises(ValueError, match="yolos"):
            auto.from_pretrained(tmp_path)


def test_settings_can_be_changed_while_loading(stored):
    folder, model = stored
    loaded = ConditionalDetrForObjectDetection.from_pretrained(
        folder, num_labels=3, auxiliary_loss=True, output_attentions=True, attn_implementation="eager"
    )
    assert loaded.config.id2label[0] == "cat"
    output = loaded(pixels())
    assert output.decoder_attentions is not None
    assert torch.equal(output.logits, model(pixels()).logits)  # the flag of a person alters no prediction
    other = ConditionalDetrForObjectDetection.from_pretrained(folder, config=config(id2label={0: "a", 1: "b", 2: "c"}))
    assert other.config.id2label == {0: "a", 1: "b", 2: "c"}
    equal(ConditionalDetrForObjectDetection.from_pretrained(folder, config=folder), model)
    with pytest.raises(TypeError, match="no number_of_labels"):
        ConditionalDetrForObjectDetection.from_pretrained(folder, number_of_labels=3)


def test_a_head_for_other_classes_only_on_request(stored, caplog):
    folder, model = stored
    names = {0: "cow", 1: "sheep"}
    with pytest.raises(CheckpointError, match="ignore_mismatched_sizes"):
        ConditionalDetrForObjectDetection.from_pretrained(folder, id2label=names)
    loaded, info = ConditionalDetrForObjectDetection.from_pretrained(
        folder, id2label=names, ignore_mismatched_sizes=True, output_loading_info=True
    )
    assert loaded(pixels()).logits.shape == (2, 6, 2)
    torch.testing.assert_close(loaded.class_labels_classifier.bias, torch.full((2,), -4.59512))
    assert torch.equal(loaded.bbox_predictor.last.weight, model.bbox_predictor.last.weight)
    assert {key for key, _, _ in info["mismatched_keys"]} == {
        "class_labels_classifier.weight",
        "class_labels_classifier.bias",
    }
    assert info["missing_keys"] == []
    assert "class_labels_classifier.weight" in caplog.text


def test_the_body_of_a_detector(stored, caplog):
    folder, model = stored
    base, info = ConditionalDetrModel.from_pretrained(folder, output_loading_info=True)
    equal(base, model.model)
    assert not any(info.values())
    assert caplog.text == ""


def test_a_body_can_be_stored_alone(stored, tmp_path):
    _, model = stored
    model.model.save_pretrained(tmp_path / "body")
    equal(ConditionalDetrModel.from_pretrained(tmp_path / "body"), model.model)


def test_a_model_stored_without_a_head(stored, caplog):
    caplog.set_level(logging.WARNING)
    folder, model = stored
    body = {name: tensor for name, tensor in load_file(folder / "model.safetensors").items() if "model." in name}
    save_file({name.removeprefix("model."): tensor for name, tensor in body.items()}, folder / "model.safetensors")
    base, info = ConditionalDetrModel.from_pretrained(folder, output_loading_info=True)
    equal(base, model.model)
    assert not any(info.values())
    assert caplog.text == ""
    loaded, info = ConditionalDetrForObjectDetection.from_pretrained(folder, output_loading_info=True)
    equal(loaded.model, model.model)
    assert len(info["missing_keys"]) == 8
    assert "bbox_predictor.layers.0.weight" in caplog.text


def test_nothing_is_logged_when_all_was_loaded(stored, caplog):
    caplog.set_level(logging.WARNING)
    ConditionalDetrForObjectDetection.from_pretrained(stored[0])
    assert caplog.text == ""


@pytest.mark.parametrize("asked", [{"dtype": "bfloat16"}, {"torch_dtype": torch.bfloat16}], ids=str)
def test_precision(stored, tmp_path, asked):
    loaded = ConditionalDetrForObjectDetection.from_pretrained(stored[0], **asked)
    assert loaded.dtype == torch.bfloat16
    loaded.save_pretrained(tmp_path / "half")
    assert ConditionalDetrForObjectDetection.from_pretrained(tmp_path / "half", dtype="auto").dtype == torch.bfloat16
    assert ConditionalDetrForObjectDetection.from_pretrained(tmp_path / "half").dtype == torch.float32
    with pytest.raises(UsageError, match="dtype"):
        ConditionalDetrForObjectDetection.from_pretrained(stored[0], dtype="int8")


@pytest.mark.parametrize("where", [None, "auto", "cpu", torch.device("cpu"), {"": "cpu"}], ids=str)
def test_device(stored, where):
    assert ConditionalDetrForObjectDetection.from_pretrained(stored[0], device_map=where).device is not None


@pytest.mark.parametrize("where", ["moon", {"model": 0, "head": 1}], ids=str)
def test_devices_that_are_none(stored, where):
    with pytest.raises(UsageError, match="device_map"):
        ConditionalDetrForObjectDetection.from_pretrained(stored[0], device_map=where)


def test_a_subfolder(stored):
    folder, model = stored
    equal(ConditionalDetrForObjectDetection.from_pretrained(folder.parent, subfolder=folder.name), model)


def test_a_weights_file_without_settings(weights_file, caplog):
    loaded = ConditionalDetrForObjectDetection.from_pretrained(weights_file)
    assert loaded.config.num_queries == 6
    assert "heads" in caplog.text  # which shapes cannot tell


@pytest.fixture
def weights_file(tmp_path):
    """Weights without a config.json: what they are is told by their shapes."""
    model = detector(
        backbone_config=None, backbone="resnet18", d_model=32, encoder_attention_heads=8, decoder_attention_heads=8
    )
    path = tmp_path / "model.pth"
    torch.save({"model": model.state_dict()}, path)
    return path


def test_a_fresh_model_of_a_config():
    made = config()
    model = ConditionalDetrForObjectDetection.from_config(made, torch_dtype=torch.float16)
    assert model.training
    assert model.dtype == torch.float16
    model.config.num_queries = 99
    assert made.num_queries == 6


def test_other_tensors_can_be_saved(stored, tmp_path):
    _, model = stored
    averaged = {name: tensor / 2 for name, tensor in model.state_dict().items()}
    model.save_pretrained(tmp_path / "averaged", state_dict=averaged)
    loaded = ConditionalDetrForObjectDetection.from_pretrained(tmp_path / "averaged")
    assert torch.equal(loaded.class_labels_classifier.bias, averaged["class_labels_classifier.bias"])
    with pytest.raises(CheckpointError, match="missing"):
        model.save_pretrained(tmp_path / "half", state_dict={"class_labels_classifier.bias": torch.zeros(3)})


def test_an_exchanged_head_is_saved_with_its_classes(stored, tmp_path):
    _, model = stored
    model.class_labels_classifier = torch.nn.Linear(16, 2)
    with pytest.raises(UsageError, match="id2label"):
        model.save_pretrained(tmp_path / "two")
    model.config.id2label = {0: "cow", 1: "sheep"}
    model.save_pretrained(tmp_path / "two")
    loaded = ConditionalDetrForObjectDetection.from_pretrained(tmp_path / "two")
    assert torch.equal(loaded.class_labels_classifier.weight, model.class_labels_classifier.weight)
    assert loaded.config.id2label == {0: "cow", 1: "sheep"}


def test_saving_options(stored, tmp_path):
    _, model = stored
    model.save_pretrained(tmp_path / "none", is_main_process=False)
    assert not (tmp_path / "none").exists()
    model.save_pretrained(tmp_path / "one", max_shard_size="1GB", safe_serialization=True)
    assert (tmp_path / "one" / "model.safetensors").is_file()
    with pytest.raises(UsageError, match="safetensors only"):
        model.save_pretrained(tmp_path / "pickle", safe_serialization=False)
    with pytest.raises(TypeError, match="folder"):
        model.save_pretrained(tmp_path / "two", folder="x")


def test_push_to_hub(stored, tmp_path, monkeypatch):
    _, model = stored
    sent = []

    def push(folder, repo_id, **options):
        sent.append((sorted(path.name for path in folder.iterdir()), repo_id, options))
        return "https://hub/commit"

    monkeypatch.setattr(
        pushing, "push", lambda folder, *args, **options: push(tmp_path.__class__(folder), *args, **options)
    )
    assert model.push_to_hub("me/cats", private=True) == "https://hub/commit"
    model.save_pretrained(tmp_path / "cats", push_to_hub=True, commit_message="Cats")
    files = ["README.md", "config.json", "model.safetensors"]
    assert sent == [
        (files, "me/cats", {"message": "Upload a Conditional DETR", "private": True}),
        (files, "cats", {"message": "Cats"}),
    ]


def test_weights_that_are_broken_are_refused(stored):
    folder, _ = stored
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        ConditionalDetrForObjectDetection.from_pretrained(folder)


def test_the_carried_norm_of_a_checkpoint(tmp_path):
    model = detector(carry_norm=True, auxiliary_loss=True)
    model.save_pretrained(tmp_path)
    loaded = ConditionalDetrForObjectDetection.from_pretrained(tmp_path)
    assert loaded.config.carry_norm
    assert loaded.config.auxiliary_loss
    assert torch.equal(loaded(pixels()).logits, model(pixels()).logits)
    plain = scramble(ConditionalDetrForObjectDetection(ConditionalDetrConfig(**config(auxiliary_loss=True).to_dict())))
    assert not torch.equal(plain.eval()(pixels()).logits, model(pixels()).logits)
