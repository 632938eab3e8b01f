"""Weights without config.json: the network is inferred from args and shapes."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from condetr.checkpoints.config.coco_names import COCO_NAMES
from condetr.checkpoints.keys import foreign_keys
from condetr.checkpoints.loading import load
from condetr.core.errors import CheckpointError
from condetr.model.config import DetectorConfig, ResNetDescription
from condetr.model.detector import ConditionalDetr
from condetr.model.resnet_names import RESNETS
from tests.scramble import scramble

SMALL = {"d_model": 16, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8, "num_queries": 5}
ROUND = {"depths": (1, 1, 1, 1), "widths": (8, 16, 24, 32), "stem_widths": (8,)}


def stored(path: Path, config: DetectorConfig, key_format: str = "original", layout: str = "timm", **args) -> Path:
    state = scramble(ConditionalDetr(config)).state_dict()
    content: dict[str, torch.Tensor] = {}
    for name, (key, _) in foreign_keys(state, config.backbone, key_format, layout).items():
        content[key] = torch.cat((content[key], state[name])) if key in content else state[name]
    torch.save({"model": content, "args": argparse.Namespace(**args)} if args else content, path / "x.pth")
    return path / "x.pth"


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [
        DetectorConfig(encoder_layers=1, decoder_layers=2, num_labels=91, **SMALL),
        DetectorConfig(backbone=ResNetDescription(block="basic", **ROUND), num_labels=7, encoder_layers=2, **SMALL),
        DetectorConfig(backbone=ResNetDescription(shortcut="average", **ROUND), decoder_layers=1, **SMALL),
        DetectorConfig(
            backbone=ResNetDescription(**ROUND | {"stem_widths": (4, 4, 8)}, inner_widths=(4, 6, 8, 10), in_channels=1),
            position_embedding_type="learned",
            encoder_layers=1,
            **SMALL,
        ),
    ],
)
@pytest.mark.parametrize("key_format", ["original", "hub", "transformers"])
def test_the_network_is_inferred_from_shapes(tmp_path, config, key_format):
    checkpoint = load(stored(tmp_path, config, key_format))
    rates = {"dropout": 0.1, "attention_dropout": 0.1, "activation_dropout": 0.1}  # the authors have one for all
    found = checkpoint.config
    assert found == replace(config, **rates)
    assert any("inferred from shapes" in note for note in checkpoint.provenance.notes)


def test_a_resnet_of_transformers_is_inferred_from_shapes(tmp_path):
    config = DetectorConfig(backbone=ResNetDescription(**ROUND), decoder_layers=1, **SMALL)
    assert load(stored(tmp_path, config, "hub", "resnet")).config.backbone == config.backbone


def test_args_complete_what_shapes_do_not_show(tmp_path):
    config = DetectorConfig(backbone=RESNETS["resnet18"], encoder_layers=1, decoder_layers=1, **SMALL)
    args = {"nheads": 4, "dilation": True, "backbone": "resnet18", "dropout": 0.2, "set_cost_class": 3.0, "lr": 1e-4}
    checkpoint = load(stored(tmp_path, config, **args))
    found = checkpoint.config
    assert (found.encoder_attention_heads, found.decoder_attention_heads) == (4, 4)
    assert (found.dropout, found.attention_dropout, found.activation_dropout) == (0.2, 0.2, 0.2)
    assert found.backbone == replace(RESNETS["resnet18"], output_stride=16)
    assert checkpoint.flat["class_cost"] == 3


def test_overrides_are_used_without_config_json_too(tmp_path):
    config = DetectorConfig(backbone=RESNETS["resnet18"], encoder_layers=1, decoder_layers=1, **SMALL)
    found = load(stored(tmp_path, config), overrides={"dilation": True, "encoder_attention_heads": 2}).config
    assert (found.backbone.output_stride, found.encoder_attention_heads) == (16, 2)


def test_ninety_one_classes_are_those_of_coco(tmp_path):
    config = DetectorConfig(backbone=RESNETS["resnet18"], encoder_layers=1, decoder_layers=1, **SMALL)
    assert load(stored(tmp_path, config)).labels == COCO_NAMES
    assert (len(COCO_NAMES), COCO_NAMES[1], COCO_NAMES[18], COCO_NAMES[90]) == (91, "person", "dog", "toothbrush")
    assert sum(name != "N/A" for name in COCO_NAMES.values()) == 80


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"backbone": "resnet34"}, r"missing backbone\.0\.body\.layer1\.2.*and \d+ more"),
        ({"backbone": "resnet14t"}, r"unexpected backbone\.0\.body"),
        ({"enc_layers": 2}, r"missing transformer\.encoder\.layers\.1"),
        ({"num_queries": 100}, r"query_embed\.weight is \[5, 16\], expected \[100, 16\]"),
        ({"pre_norm": True}, r"args\.pre_norm"),
        ({"nheads": "eight"}, "encoder_attention_heads"),
        ({"backbone": "a/b"}, "backbone"),
    ],
)
def test_args_that_contradict_the_weights(tmp_path, args, message):
    config = DetectorConfig(backbone=RESNETS["resnet18"], encoder_layers=1, decoder_layers=1, **SMALL)
    with pytest.raises(CheckpointError, match=rf"x\.pth: .*{message}"):
        load(stored(tmp_path, config, **args))


def test_weights_of_something_else(tmp_path):
    torch.save({"fc.weight": torch.ones(2)}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="no Conditional DETR"):
        load(tmp_path / "x.pth")
