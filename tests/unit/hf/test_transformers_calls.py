"""What code written for transformers calls beside the forward, and what it passes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import condetr
from condetr.core.errors import CheckpointError, UsageError
from condetr.hf import pushing as pushing_of_hf
from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.models.object_detection import ConditionalDetrForObjectDetection
from condetr.hf.processing.image_processing import ConditionalDetrImageProcessor
from tests.unit.hf.networks import config, detector, labels, pixels


@pytest.fixture
def pushed(monkeypatch):
    calls = []

    def note(folder, repository, **options):
        files = {file.name: file.read_text("utf-8", errors="replace") for file in Path(folder).iterdir()}
        calls.append((repository, options, files))
        return "address"

    monkeypatch.setattr(pushing_of_hf, "push", note)
    return calls


def test_everything_can_be_pushed(pushed, tmp_path):
    options = {"private": True, "token": "t", "create_pr": True, "commit_description": "why", "max_shard_size": "5GB"}
    original = {name: value for name, value in options.items() if name != "max_shard_size"}
    model, processor = detector(), ConditionalDetrImageProcessor(size={"height": 32, "width": 32})
    pipeline = condetr.pipeline(model=model, image_processor=processor)
    for item, files in (
        (model, {"config.json", "model.safetensors", "README.md"}),
        (model.config, {"config.json"}),
        (processor, {"preprocessor_config.json"}),
        (pipeline, {"config.json", "model.safetensors", "README.md", "preprocessor_config.json"}),
    ):
        assert item.push_to_hub("me/mine", commit_message="said", tags=["cells"], **options) == "address"
        repository, passed, there = pushed.pop()
        assert (repository, set(there)) == ("me/mine", files)
        assert passed == {"message": "said", **original}
        assert "README.md" not in there or "tags:\n- cells\n- object-detection\n" in there["README.md"]
    for item in (model, model.config, processor):
        item.save_pretrained(tmp_path / "mine", push_to_hub=True)
        assert pushed.pop()[0] == "mine"
        with pytest.raises(TypeError, match="private"):
            item.save_pretrained(tmp_path / "mine", private=True)


def test_variants_of_weights(tmp_path):
    model = detector()
    model.save_pretrained(tmp_path, variant="fp16")
    assert (tmp_path / "model.fp16.safetensors").is_file()
    loaded = ConditionalDetrForObjectDetection.from_pretrained(tmp_path, variant="fp16", use_safetensors=True)
    assert torch.equal(loaded(pixels()).logits, model(pixels()).logits)
    for options, missing in (
        ({}, r"expected model\.safetensors"),
        ({"variant": "int8"}, r"expected model\.int8\.safetensors"),
        ({"variant": "fp16", "use_safetensors": False}, r"expected pytorch_model\.fp16\.bin"),
    ):
        with pytest.raises(CheckpointError, match=missing):
            ConditionalDetrForObjectDetection.from_pretrained(tmp_path, **options)


@pytest.mark.parametrize("word", ["paged", "flash_attention_2", {"": "flex_attention"}])
def test_attention_that_there_is_not(tmp_path, word):
    model = detector()
    model.save_pretrained(tmp_path)
    for ask in (
        lambda: ConditionalDetrForObjectDetection.from_pretrained(tmp_path, attn_implementation=word),
        lambda: condetr.AutoModelForObjectDetection.from_config(config(), attn_implementation=word),
        lambda: config(attn_implementation=word),
        lambda: model.set_attn_implementation(word),
    ):
        with pytest.raises(UsageError, match=r"attn_implementation: is '.*', which .*expected 'eager' or 'sdpa'"):
            ask()
    model.set_attn_implementation("eager")
    assert model.config._attn_implementation == "sdpa"


def test_a_backbone_named_and_described(caplog):
    assert not config().use_timm_backbone
    assert not caplog.text
    assert not config(use_timm_backbone=True).use_timm_backbone
    assert "use_timm_backbone=True has no effect: backbone_config overrides it with a resnet" in caplog.text


def test_a_backbone_of_timm_described(caplog):
    settings = {"use_timm_backbone": True, "backbone_config": {"backbone": "resnet18", "out_indices": [1, 2]}}
    made = ConditionalDetrConfig(**settings)
    assert made.use_timm_backbone
    assert made.split().config.backbone.widths == (64, 128)
    assert not caplog.text


def test_memory():
    model = detector()
    of_parameters = sum(parameter.numel() for parameter in model.parameters()) * 4
    assert model.get_memory_footprint(return_buffers=False) == of_parameters
    assert model.get_memory_footprint() == of_parameters + 4 * sum(buffer.numel() for buffer in model.buffers())
    assert model.bfloat16().get_memory_footprint(return_buffers=False) == of_parameters // 2


def test_gradients_may_begin_at_the_transformer():
    model = detector().requires_grad_(False)
    model.enable_input_require_grads()
    model.enable_input_require_grads()
    assert model(pixels()).logits.requires_grad
    model.disable_input_require_grads()
    assert not model(pixels()).logits.requires_grad


def test_what_only_subclasses_and_helpers_call():
    model = detector()
    assert model.get_encoder(modality="image") is model.model.encoder
    assert model.get_output_embeddings() is model.post_init() is model.tie_weights(recompute_mapping=False) is None
    assert not model.can_generate()
    with pytest.raises(NotImplementedError, match="input_projection"):
        model.get_input_embeddings()
    model.gradient_checkpointing_enable({"use_reentrant": False}, every_n_layers=2)
    assert model.is_gradient_checkpointing
    model(pixels(), labels=labels(1, 1)).loss.backward()
    assert config().get_text_config() == config()


def test_settings_as_dicts(tmp_path):
    detector().save_pretrained(tmp_path)
    ConditionalDetrImageProcessor(do_pad=False).save_pretrained(tmp_path)
    settings, unused = condetr.ConditionalDetrConfig.get_config_dict(tmp_path, local_files_only=True, other=1)
    assert (settings["d_model"], unused) == (16, {"other": 1})
    settings, unused = ConditionalDetrImageProcessor.get_image_processor_dict(tmp_path, other=1)
    assert (settings["do_pad"], unused) == (False, {"other": 1})


def test_arguments_of_pipelines(tmp_path):
    processor = ConditionalDetrImageProcessor(size={"height": 32, "width": 32})
    image = Image.new("RGB", (20, 30))
    made = condetr.pipeline(
        model=detector(), processor=processor, tokenizer=None, device_map="cpu", trust_remote_code=False
    )
    made.save_pretrained(tmp_path)
    stored = condetr.pipeline(
        "object-detection", str(tmp_path), config=str(tmp_path), model_kwargs={"attn_implementation": "eager"}
    )
    assert stored.dtype == made.dtype == torch.float32
    assert stored(image, threshold=0.0) == made(image, threshold=0.0)
    for wrong, message in (
        ({"tokenizer": "bert"}, "tokenizer"),
        ({"device_map": "cpu", "device": "cpu"}, "device_map"),
        ({"model_kwargs": {"variant": "x"}}, "model_kwargs"),
    ):
        with pytest.raises(UsageError, match=message):
            condetr.pipeline(model=detector(), image_processor=processor, **wrong)


def test_steps_that_condetr_does_in_one_way():
    processor = ConditionalDetrImageProcessor()
    planes = torch.zeros(3, 4, 5)
    assert processor.pad(planes, (6, 6), fill=0.0)[0].shape == (3, 6, 6)
    annotation = {"masks": torch.ones(1, 4, 5, dtype=torch.bool)}
    assert processor.resize_annotation(annotation, (4, 5), (8, 10), threshold=0.3, resample=0)["masks"].all()
    with pytest.raises(UsageError, match="fill"):
        processor.pad(planes, (6, 6), fill=1.0)
    with pytest.raises(UsageError, match="resample"):
        processor.resize_annotation(annotation, (4, 5), (8, 10), resample=2)


def test_segments_and_colors():
    png = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    ids = condetr.rgb_to_id(png)
    assert ids[0, 0] == condetr.rgb_to_id(png[0, 0]) == int(png[0, 0] @ np.array([1, 256, 65536]))
    assert (condetr.id_to_rgb(ids) == png).all()
    assert condetr.id_to_rgb(66051) == [3, 2, 1]
    boxes = np.array([[0.5, 0.5, 0.2, 0.4]], dtype=np.float32)
    corners = condetr.center_to_corners_format(boxes)
    np.testing.assert_allclose(corners, [[0.4, 0.3, 0.6, 0.7]], rtol=1e-6)
    np.testing.assert_allclose(condetr.corners_to_center_format(torch.tensor(corners)), boxes, rtol=1e-6)
