import json

import pytest

from condetr.checkpoints.config.config_json import SplitConfig, join_config, split_config
from condetr.core.errors import CheckpointError
from condetr.model.config import DetectorConfig, ResNetDescription, TimmDescription
from condetr.model.resnet_names import RESNETS

BASE = {"model_type": "conditional_detr"}
FROM_PEER = BASE | {"transformers_version": "5.23.0"}


def resnet(**fields) -> dict:
    return BASE | {"use_timm_backbone": False, "backbone_config": {"model_type": "resnet", **fields}}


def timm(**fields) -> dict:
    return {"backbone_config": {"model_type": "timm_backbone", **fields}}


def test_missing_fields_have_the_defaults_of_transformers():
    split = split_config(BASE)
    assert split.config == DetectorConfig(num_labels=2)
    assert split.labels == {0: "LABEL_0", 1: "LABEL_1"}


@pytest.mark.parametrize(
    ("raw", "backbone"),
    [
        ({"backbone": "resnet18"}, RESNETS["resnet18"]),
        ({"backbone": "resnet50.a1_in1k", "num_channels": 1}, ResNetDescription(in_channels=1)),
        ({"dilation": True}, ResNetDescription(output_stride=16)),
        ({"backbone_kwargs": {"out_indices": [1, 2, 3, 4], "in_chans": 4}}, ResNetDescription(in_channels=4)),
        ({"backbone": "regnety_002"}, TimmDescription(name="regnety_002", norm_activations=False, norm_epsilon=1e-5)),
        (timm(backbone="regnety_002", out_indices=[1], freeze_batch_norm_2d=True),
         TimmDescription(name="regnety_002", out_indices=(1,))),
        ({"backbone_config": {"model_type": "condetr_timm", "name": "regnety_002"}},  # of earlier versions
         TimmDescription(name="regnety_002", norm_epsilon=1e-5)),
        (timm(backbone="resnet50", out_indices=[1, 2]), ResNetDescription(depths=(3, 4), widths=(256, 512))),
        (timm(backbone="resnet50", output_stride=32), ResNetDescription()),
        ({"use_timm_backbone": False}, ResNetDescription()),
        ({"backbone_config": {"model_type": "resnet", "layer_type": "basic", "hidden_act": "gelu"}},
         ResNetDescription(block="basic", activation="gelu")),
        ({"backbone_config": {"model_type": "resnet", "out_indices": [3], "embedding_size": 16}},
         ResNetDescription(depths=(3, 4, 6), widths=(256, 512, 1024), stem_widths=(16,))),
    ],
)  # fmt: skip
def test_backbones(raw, backbone):
    assert split_config(BASE | raw).config.backbone == backbone


@pytest.mark.parametrize(
    "backbone",
    [
        *(pytest.param(description, id=name) for name, description in RESNETS.items()),
        ResNetDescription(output_stride=16),
        ResNetDescription(output_stride=8),
        ResNetDescription(stem_widths=(8, 8, 8), widths=(8, 8, 8, 8), depths=(1, 1, 1, 1)),
        ResNetDescription(widths=(16, 32), depths=(1, 2), stride_in="1x1", first_stage_stride=2, activation="silu"),
        ResNetDescription(block="basic", widths=(8,), depths=(1,), output_stride=16, in_channels=1),
        TimmDescription(name="regnety_002"),
        TimmDescription(name="regnety_002", norm_activations=False),
        TimmDescription(name="regnety_002", norm_epsilon=1e-5),
        TimmDescription(name="regnety_002", norm_activations=False, norm_epsilon=1e-5),
        TimmDescription(name="convnext_atto", out_indices=(0, 1, 2, 3), norm_epsilon=1e-5, output_stride=16),
    ],
)
def test_every_backbone_comes_back(backbone):
    split = SplitConfig(DetectorConfig(backbone=backbone, num_labels=2), {0: "a", 1: "b"}, None, {})
    text = json.dumps(join_config(split))
    assert split_config(json.loads(text)).config == split.config


def test_masks_in_boxes_come_back_and_others_are_not_mentioned():
    for in_boxes in (True, False):
        split = SplitConfig(DetectorConfig(num_labels=1, masks_in_boxes=in_boxes), {0: "a"}, None, {})
        written = join_config(split)
        assert ("masks_in_boxes" in written) is in_boxes
        assert split_config(written | {"transformers_version": "5.23.0"}).config.masks_in_boxes is in_boxes
    with pytest.raises(CheckpointError, match=r"masks_in_boxes: is 'yes', expected true or false"):
        split_config(BASE | {"masks_in_boxes": "yes"})


def test_everything_else_is_carried_and_written_back():
    raw = resnet() | {"giou_cost": 3, "is_encoder_decoder": True, "my_field": {"x": [1]}}
    flat = split_config(raw).flat
    assert flat == {"giou_cost": 3, "is_encoder_decoder": True, "my_field": {"x": [1]}, "use_timm_backbone": False}
    written = join_config(split_config(raw))
    assert {name: written[name] for name in ("giou_cost", "my_field")} == {"giou_cost": 3, "my_field": {"x": [1]}}
    assert written["backbone_config"]["model_type"] == "resnet"  # though timm has a name for it


def test_ids_of_the_dataset_come_back():
    split = SplitConfig(DetectorConfig(num_labels=2), {0: "a", 1: "b"}, (7, 19), {})
    written = join_config(split)
    assert split_config(written).source_ids == (7, 19)
    assert split_config(written, overrides={"num_labels": 3}).source_ids is None
    stale = split_config(written | {"transformers_version": "5.23.0"})
    assert stale.source_ids is None
    assert "last written by transformers" in stale.notes[0]


class TestCarryNorm:
    """Supervision changes predictions in transformers only; its weights need what they were trained with."""

    def test_chosen_for_what_transformers_trained(self):
        split = split_config(FROM_PEER | {"auxiliary_loss": True})
        assert split.config.carry_norm
        assert "carry_norm" in split.notes[0]

    @pytest.mark.parametrize("raw", [FROM_PEER, BASE | {"auxiliary_loss": True}])
    def test_off_for_everything_else(self, raw):
        assert not split_config(raw).config.carry_norm

    def test_an_override_of_supervision_leaves_it(self):
        assert not split_config(FROM_PEER, overrides={"auxiliary_loss": True}).config.carry_norm
        assert split_config(FROM_PEER, overrides={"carry_norm": True}).config.carry_norm

    @pytest.mark.parametrize("carry_norm", [True, False])
    @pytest.mark.parametrize("supervised", [True, False])
    def test_both_come_back_and_peers_see_what_is_computed(self, carry_norm, supervised):
        split = SplitConfig(
            DetectorConfig(num_labels=1, carry_norm=carry_norm), {0: "a"}, None, {"auxiliary_loss": supervised}
        )
        written = join_config(split)
        assert written["auxiliary_loss"] is carry_norm
        returned = split_config(written)
        assert (returned.config.carry_norm, returned.flat["auxiliary_loss"]) == (carry_norm, supervised)
        trained_on = written | {"transformers_version": "5.23.0", "auxiliary_loss": True}
        assert split_config(trained_on).config.carry_norm


@pytest.mark.parametrize(
    ("raw", "overrides", "labels"),
    [
        (BASE, {"num_labels": 3}, ["LABEL_0", "LABEL_1", "LABEL_2"]),
        (BASE | {"id2label": {"1": "dog", "0": "cat"}}, {}, ["cat", "dog"]),
        (BASE | {"id2label": {"0": "cat"}}, {"num_labels": 2}, ["LABEL_0", "LABEL_1"]),
        (BASE | {"num_labels": 2}, {"id2label": {0: "cat"}}, ["cat"]),
    ],
)
def test_labels(raw, overrides, labels):
    split = split_config(raw, overrides=overrides)
    assert list(split.labels.values()) == labels
    assert split.config.num_labels == len(labels)


def test_other_names_of_fields():
    assert split_config(BASE | {"hidden_size": 64, "num_hidden_layers": 2}).config.d_model == 64
    split = split_config(BASE | {"num_hidden_layers": 6, "encoder_layers": 2})
    assert split.config.encoder_layers == 2
    assert "num_hidden_layers" in split.notes[0]
    assert split_config(BASE | {"d_model": 64}, overrides={"hidden_size": 32}).config.d_model == 32


def test_an_overridden_backbone_replaces_all_that_described_it():
    assert (
        split_config(resnet(layer_type="basic"), overrides={"backbone": "resnet34"}).config.backbone
        == RESNETS["resnet34"]
    )


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({"model_type": "bert"}, "model_type"),
        ({"model_type": "detr"}, "model_type.*DETR is another network"),
        ({"d_model": "sixteen"}, "d_model"),
        ({"d_model": 16, "decoder_attention_heads": 3}, "decoder_attention_heads"),
        ({"decoder_layers": 0}, "decoder_layers"),
        ({"decoder_layers": 10**9}, "decoder_layers.*at most"),
        ({"num_queries": 2_000_000_000}, "num_queries.*at most"),
        ({"num_queries": True}, "num_queries"),
        ({"num_labels": 2_000_000_000}, "num_labels"),
        ({"dropout": float("nan")}, "dropout"),
        ({"bbox_cost": float("inf")}, "bbox_cost"),
        ({"giou_loss_coefficient": "2"}, "giou_loss_coefficient"),
        ({"auxiliary_loss": "yes"}, "auxiliary_loss"),
        ({"position_embedding_type": "rotary"}, "position_embedding_type"),
        ({"activation_function": ["relu"]}, "activation_function"),
        ({"id2label": {"0": "a", "2": "b"}}, "id2label"),
        ({"id2label": {"a": "0"}}, "id2label"),
        ({"id2label": {"0": None}}, "id2label"),
        ({"id2label": {"0": "\ud800"}}, "id2label"),
        ({"id2label": ["a"]}, "id2label"),
        ({"dilation": 1}, "dilation"),
        ({"backbone": "microsoft/resnet-50"}, "backbone"),
        ({"backbone": "hf-hub:attacker/evil"}, "backbone.*attacker"),
        ({"backbone": "../../evil.py"}, "backbone"),
        ({"backbone": 5}, "backbone"),
        ({"backbone_config": []}, "backbone_config"),
        ({"backbone_config": {"model_type": "swin"}}, r"backbone_config\.model_type"),
        ({"backbone_config": {"model_type": "resnet", "auto_map": {"AutoConfig": "evil.Evil"}}}, "auto_map"),
        (timm(backbone="hf-hub:a/b"), r"backbone_config\.backbone"),
        (timm(backbone="resnet50", out_indices=[0]), "out_indices"),
        ({"backbone_config": {"model_type": "resnet", "hidden_sizes": [8, "8"]}}, "hidden_sizes"),
        ({"backbone_config": {"model_type": "resnet", "depths": [10**9] * 4}}, "depths"),
        ({"backbone_config": {"model_type": "resnet", "layer_type": "dense"}}, "layer_type"),
        ({"backbone_config": {"model_type": "resnet", "hidden_act": "mish"}}, "hidden_act"),
        (timm(backbone="resnet50", output_stride="16"), "output_stride"),
        ({"backbone_config": {"model_type": "resnet", "hidden_sizes": [10**9] * 4}}, "channels"),
        ({"backbone_config": {"model_type": "resnet", "out_features": ["stage9"]}}, "out_features"),
        ({"backbone_config": {"model_type": "condetr_resnet", "rooms": 3}}, "rooms"),
        ({"condetr": 5}, "condetr"),
        ({"condetr": {"source_ids": [1]}}, "source_ids"),
    ],
)  # fmt: skip
def test_errors_name_file_and_field(raw, field):
    with pytest.raises(CheckpointError, match=rf"^model/config\.json: .*{field}"):
        split_config(BASE | raw, "model/config.json")
