"""Weights in every key format, as real files, through our reading: the outputs of the peers that made them."""

import argparse
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from condetr.checkpoints.loading import load

TOLERANCE = {"rtol": 0, "atol": 1e-4}  # the peers agree with each other to 1e-5
FLAT = {
    "orig_r50": {"backbone": "resnet50"},
    "orig_r50_dc5": {"backbone": "resnet50", "dilation": True},
    "orig_r18_learned": {
        "backbone": "resnet18",
        "encoder_layers": 2,
        "decoder_layers": 3,
        "encoder_ffn_dim": 128,
        "decoder_ffn_dim": 128,
        "num_queries": 20,
        "position_embedding_type": "learned",
    },
}
ARGS = {
    "orig_r50": {"backbone": "resnet50", "dilation": False, "nheads": 8, "dropout": 0.1, "enc_layers": 6},
    "orig_r50_dc5": {"backbone": "resnet50", "dilation": True, "nheads": 8, "num_queries": 300},
    "orig_r18_learned": {"backbone": "resnet18", "position_embedding": "learned", "dec_layers": 3, "pre_norm": False},
}
CLASSES = {"orig_r50": 91, "orig_r50_dc5": 91, "orig_r18_learned": 7}


def flat(case: str) -> dict:
    """As transformers 4 writes it."""
    labels = {str(number): f"class {number}" for number in range(CLASSES[case])}
    return {"model_type": "conditional_detr", "use_timm_backbone": True, "id2label": labels, **FLAT[case]}


def nested(case: str) -> dict:
    """As transformers 5 writes it."""
    config = flat(case)
    inner = {
        "model_type": "timm_backbone",
        "backbone": config.pop("backbone"),
        "out_indices": [1, 2, 3, 4],
        "output_stride": 16 if config.get("dilation") else None,
    }
    del config["use_timm_backbone"]
    return {**config, "backbone_config": inner, "transformers_version": "5.23.0"}


def written(goldens, case: str, container: str, folder: Path) -> Path:
    """Real files of one case; gives what a person would load."""
    if container == "pth":
        content = {"model": goldens.state_dict(case, "orig"), "args": argparse.Namespace(**ARGS[case]), "epoch": 49}
        torch.save(content, folder / "checkpoint.pth")
        return folder / "checkpoint.pth"
    if container == "bare pth":
        wrapped = {f"module.{key}": tensor for key, tensor in goldens.state_dict(case, "orig").items()}
        torch.save(wrapped, folder / "weights.pth")
        return folder / "weights.pth"
    config = flat(case) if container == "bin" else nested(case)
    (folder / "config.json").write_text(json.dumps(config))
    if container == "bin":
        torch.save(goldens.state_dict(case, "hf434"), folder / "pytorch_model.bin")
    else:
        save_file(goldens.state_dict(case, "hf523"), folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("case", FLAT)
@pytest.mark.parametrize("container", ["pth", "bare pth", "bin", "safetensors"])
def test_published_networks(goldens, tmp_path, case, container):
    overrides = {"dilation": True} if container == "bare pth" and case == "orig_r50_dc5" else {}
    detector = load(written(goldens, case, container, tmp_path), overrides=overrides).detector
    pixels, mask = goldens.inputs(case)
    expected, _ = goldens.expected(case)
    with torch.inference_mode():
        layers = detector.predict_layers(pixels, mask.bool())
    torch.testing.assert_close(layers[-1].logits, expected["pred_logits"], **TOLERANCE)
    torch.testing.assert_close(layers[-1].boxes, expected["pred_boxes"], **TOLERANCE)
    torch.testing.assert_close(torch.stack([layer.boxes for layer in layers[:-1]]), expected["aux_boxes"], **TOLERANCE)


@pytest.mark.parametrize(("case", "key_format"), [("hf434_tiny_det", "hf434"), ("hf523_tiny_det", "hf523")])
def test_networks_of_transformers(goldens, tmp_path, case, key_format):
    expected, stored = goldens.expected(case)
    (tmp_path / "config.json").write_text(json.dumps(stored["config"]))
    save_file(goldens.state_dict(case, key_format), tmp_path / "model.safetensors")
    detector = load(tmp_path).detector
    pixels, mask = goldens.inputs(case)
    with torch.inference_mode():
        prediction = detector(pixels, mask.bool())
    torch.testing.assert_close(prediction.logits, expected["logits"], **TOLERANCE)
    torch.testing.assert_close(prediction.boxes, expected["pred_boxes"], **TOLERANCE)


@pytest.mark.parametrize("key_format", ["orig", "hf434", "hf523"])
def test_the_detector_of_a_segmenter(goldens, tmp_path, key_format):
    case = "orig_r50_seg"
    expected, _ = goldens.expected(case)
    config = {"model_type": "conditional_detr", "backbone": "resnet50", "num_queries": 25, "num_labels": 250}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(goldens.state_dict(case, key_format), tmp_path / "model.safetensors")
    detector = load(tmp_path, detector_only=True).detector
    pixels, mask = goldens.inputs(case)
    with torch.inference_mode():
        prediction = detector(pixels, mask.bool())
    torch.testing.assert_close(prediction.logits, expected["pred_logits"], **TOLERANCE)
    torch.testing.assert_close(prediction.boxes, expected["pred_boxes_offset"], **TOLERANCE)
