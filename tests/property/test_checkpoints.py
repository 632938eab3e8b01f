"""Whatever a stranger wrote: it is read right or refused by name, and what we write we read."""

import json
from dataclasses import fields
from pathlib import Path

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from condetr.checkpoints.config.config_json import SplitConfig, join_config, split_config
from condetr.checkpoints.files import read_weights
from condetr.core.errors import CheckpointError
from condetr.model.config import DetectorConfig, ResNetDescription

COUNTS = st.integers(1, 9)
WORDS = st.sampled_from(["", "0", "1", "relu", "resnet18", "regnety_002", "a/b", "stage2", "basic", "\ud800"])
ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=6,
)
NETWORK, RESNET = ([spec.name for spec in fields(kind)] for kind in (DetectorConfig, ResNetDescription))
TOP = st.sampled_from(
    [*NETWORK, "id2label", "use_timm_backbone", "dilation", "auxiliary_loss", "condetr", "hidden_size", "num_channels"]
)
NESTED = st.sampled_from(
    [*RESNET, "hidden_sizes", "layer_type", "hidden_act", "embedding_size", "out_features", "out_indices", "name"]
)
KINDS = st.sampled_from(["resnet", "timm_backbone", "condetr_resnet", "condetr_timm"])


@st.composite
def descriptions(draw) -> ResNetDescription:
    stages = draw(st.integers(1, 5))
    per_stage = st.lists(st.integers(4, 9), min_size=stages, max_size=stages).map(tuple)
    return ResNetDescription(
        block=draw(st.sampled_from(["basic", "bottleneck"])),
        depths=draw(per_stage),
        widths=draw(per_stage),
        inner_widths=draw(st.none() | per_stage),
        stem_widths=draw(st.sampled_from([(8,), (4, 4, 8)])),
        shortcut=draw(st.sampled_from(["convolution", "average"])),
        first_stage_stride=draw(st.sampled_from([1, 2])),
        output_stride=draw(st.sampled_from([None, 8, 16, 32])),
        activation=draw(st.sampled_from(["relu", "silu"])),
        in_channels=draw(COUNTS),
    )


@st.composite
def configs(draw) -> DetectorConfig:
    return DetectorConfig(
        backbone=draw(descriptions()),
        num_labels=3,
        num_queries=draw(COUNTS),
        d_model=8 * draw(COUNTS),
        decoder_layers=draw(COUNTS),
        encoder_attention_heads=draw(st.sampled_from([1, 2, 4])),
        dropout=draw(st.floats(0, 0.99)),
        position_embedding_type=draw(st.sampled_from(["sine", "learned"])),
        carry_norm=draw(st.booleans()),
    )


@given(configs(), st.dictionaries(st.sampled_from(["giou_cost", "focal_alpha"]), st.floats(0, 9)))
def test_settings_come_back(config, flat):
    written = SplitConfig(config, {0: "a", 1: "b", 2: "c"}, (1, 5, 9), {**flat, "auxiliary_loss": True})
    read = split_config(json.loads(json.dumps(join_config(written))))
    assert (read.config, read.labels, read.source_ids) == (config, written.labels, (1, 5, 9))
    assert {**flat, "auxiliary_loss": True}.items() <= read.flat.items()


@given(st.dictionaries(TOP, ODD | st.integers(1, 16)), st.none() | KINDS, st.dictionaries(NESTED, ODD))
def test_odd_settings_are_refused_by_name(raw, kind, nested):
    raw = {
        "model_type": "conditional_detr",
        **raw,
        **({"backbone_config": {**nested, "model_type": kind}} if kind else {}),
    }
    try:
        split_config(raw)
    except CheckpointError as error:
        assert (error.source, bool(error.item)) == ("config.json", True)  # noqa: PT017  some are sound


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, 400))
def test_damaged_tensors_are_refused(tmp_path: Path, changes, length):
    content = bytearray(save({"a": torch.arange(6.0), "b": torch.ones(2, 2)}))
    for position, value in changes:
        content[position % len(content)] = value
    (tmp_path / "x.safetensors").write_bytes(content[: length or None])
    try:
        tensors = read_weights(tmp_path / "x.safetensors").tensors
    except CheckpointError as error:
        assert error.source == str(tmp_path / "x.safetensors")  # noqa: PT017  most are refused, some are sound
    else:
        assert all(tensor.numel() >= 0 for tensor in tensors.values())
