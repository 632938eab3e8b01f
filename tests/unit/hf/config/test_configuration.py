import copy
import json
import pickle

import pytest
import torch

from condetr.core.errors import CheckpointError, CondetrError, SettingsError
from condetr.hf.config.configuration import ConditionalDetrConfig
from condetr.hf.models.base_model import ConditionalDetrModel
from condetr.model.config import ResNetDescription, TimmDescription
from tests.unit.hf.networks import RESNET, config


def test_defaults_are_the_published_model():
    network = ConditionalDetrConfig().split().config
    assert network.backbone == ResNetDescription()
    assert (network.num_queries, network.d_model, network.num_labels, network.carry_norm) == (300, 256, 2, False)


def test_by_place_and_by_name():
    assert ConditionalDetrConfig(True, None, 3, 100).num_queries == 100
    with pytest.raises(TypeError, match="use_timm_backbone twice"):
        ConditionalDetrConfig(True, use_timm_backbone=True)
    with pytest.raises(TypeError, match="positional settings"):
        ConditionalDetrConfig(*range(99))


def test_aliases():
    made = ConditionalDetrConfig(hidden_size=36, num_attention_heads=6, num_hidden_layers=2)
    assert (made.d_model, made.encoder_attention_heads, made.encoder_layers) == (36, 6, 2)
    made.hidden_size = 48
    assert made.d_model == made.hidden_size == 48
    assert "hidden_size" not in made.to_dict()
    # transformers 4 writes both; the name decides
    assert ConditionalDetrConfig(encoder_layers=2, num_hidden_layers=6).encoder_layers == 2


def test_names_of_classes():
    assert ConditionalDetrConfig(num_labels=3).id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}
    assert ConditionalDetrConfig(id2label={"0": "cat", "1": "dog"}).label2id == {"cat": 0, "dog": 1}
    assert ConditionalDetrConfig(label2id={"cat": 0, "dog": 1}).id2label == {0: "cat", 1: "dog"}
    made = config()
    made.num_labels = 3
    assert made.id2label[0] == "cat"
    made.num_labels = 2
    assert made.id2label == {0: "LABEL_0", 1: "LABEL_1"}
    assert made.label2id == {"LABEL_0": 0, "LABEL_1": 1}
    made.id2label = {0: "a"}
    assert made.num_labels == 1
    for wrong in ({"num_labels": 3, "id2label": {0: "cat"}}, {"num_labels": 0}, {"id2label": {"cat": 0}}):
        with pytest.raises(SettingsError, match=r"num_labels|id2label"):
            ConditionalDetrConfig(**wrong)


class Foreign:
    """A config object of another library."""

    model_type = "resnet"

    def to_dict(self):
        return RESNET | {"dtype": torch.float16}

    def __repr__(self):
        return "Foreign()"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"backbone": "resnet18"}, "basic"),
        ({"backbone": "resnet50", "dilation": True}, 16),
        ({"use_timm_backbone": False}, "bottleneck"),
        ({"backbone_config": RESNET}, (8, 16)),
        ({"backbone_config": Foreign()}, (8, 16)),
        (
            {"backbone_config": {"model_type": "timm_backbone", "backbone": "resnet18", "out_indices": [1, 2]}},
            (64, 128),
        ),
        ({"backbone": "resnet18", "num_channels": 1}, 1),
    ],
    ids=str,
)
def test_every_form_of_backbone(settings, expected):
    backbone = ConditionalDetrConfig(**settings).split().config.backbone
    assert expected in (backbone.block, backbone.output_stride, backbone.widths, backbone.in_channels)


def test_a_backbone_of_timm():
    backbone = ConditionalDetrConfig(backbone="convnext_atto").split().config.backbone
    assert isinstance(backbone, TimmDescription)


def test_a_backbone_config_has_attributes():
    made = config()
    assert made.backbone_config.hidden_sizes == [8, 16]
    assert made.backbone_config.hidden_act == "relu"
    assert made.use_timm_backbone is False
    assert ConditionalDetrConfig(use_timm_backbone=False).backbone_config.depths == [3, 4, 6, 3]
    with pytest.raises(AttributeError, match="no 'width'"):
        _ = made.backbone_config.width


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"position_embedding_type": "rotary"}, "position_embedding_type"),
        ({"d_model": 30}, "encoder_attention_heads"),
        ({"d_model": "256"}, "d_model"),
        ({"activation_function": "cube"}, "activation_function"),
        ({"num_queries": 0}, "num_queries"),
        ({"dropout": 2.0}, "dropout"),
        ({"class_cost": -1}, "class_cost"),
        ({"backbone": "../weights"}, "backbone"),
        ({"backbone_config": {"model_type": "swin"}}, "backbone_config.model_type"),
    ],
    ids=str,
)
def test_values_that_make_no_network(wrong, named):
    with pytest.raises(ValueError, match=named) as refusal:
        ConditionalDetrModel(ConditionalDetrConfig(**wrong))
    assert isinstance(refusal.value, SettingsError)
    assert refusal.value.item == named


def test_another_kind_of_model():
    with pytest.raises(SettingsError, match="'detr', expected 'conditional_detr'"):
        ConditionalDetrConfig(model_type="detr")


def test_what_is_not_known_is_carried(tmp_path):
    made = config(foo=[1, 2], bad_words_ids=None)
    assert made.foo == [1, 2]
    assert ConditionalDetrConfig.from_dict(made.to_dict()) == made
    assert made.save_pretrained(tmp_path) is None
    assert ConditionalDetrConfig.from_pretrained(tmp_path).foo == [1, 2]


def test_dict_and_json(tmp_path):
    made = config(dtype=torch.float16, output_attentions=True, auxiliary_loss=True)
    for text in (made.to_json_string(), made.to_json_string(use_diff=False)):
        assert ConditionalDetrConfig.from_dict(json.loads(text)) == made
    assert made.to_diff_dict().keys() == {
        "model_type", "backbone_config", "use_timm_backbone", "d_model", "encoder_layers", "decoder_layers",
        "encoder_attention_heads", "decoder_attention_heads", "encoder_ffn_dim", "decoder_ffn_dim", "num_queries",
        "id2label", "label2id", "dtype", "output_attentions", "auxiliary_loss",
    }  # fmt: skip
    assert made.torch_dtype == torch.float16
    made.to_json_file(tmp_path / "config.json")
    assert ConditionalDetrConfig.from_json_file(tmp_path / "config.json") == made
    assert repr(made).startswith("ConditionalDetrConfig {")
    with pytest.raises(OSError, match="nowhere"):
        made.to_json_file(tmp_path / "nowhere" / "config.json")


def test_copies_are_equal_and_apart():
    made = config()
    for same in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert same == made
        same.num_queries = 3
        assert same != made
    assert made != {}


def test_saved_and_loaded_with_changes(tmp_path):
    config(class_cost=3).save_pretrained(tmp_path)
    loaded, unused = ConditionalDetrConfig.from_pretrained(
        tmp_path, num_labels=3, num_queries=4, foo=1, hidden_size=8, return_unused_kwargs=True
    )
    assert unused == {"foo": 1}
    assert (loaded.num_queries, loaded.d_model, loaded.class_cost) == (4, 8, 3)
    assert loaded.id2label[0] == "cat"  # as many classes as before keep their names
    assert ConditionalDetrConfig.from_pretrained(tmp_path, num_labels=2).id2label[0] == "LABEL_0"
    assert ConditionalDetrConfig.from_pretrained(tmp_path, id2label={0: "cow"}).label2id == {"cow": 0}
    named = ConditionalDetrConfig.from_pretrained(tmp_path, backbone="resnet18")
    assert named.split().config.backbone.widths == (64, 128, 256, 512)
    assert loaded.name_or_path == str(tmp_path)
    with pytest.raises(CheckpointError, match="neither a folder or file here nor a hub id"):
        ConditionalDetrConfig.from_pretrained(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("stored", "carried"),
    [
        ({"transformers_version": "4.34.0", "auxiliary_loss": True}, True),
        ({"transformers_version": "4.34.0", "auxiliary_loss": False}, False),
        ({"auxiliary_loss": True}, False),
        ({"auxiliary_loss": True, "condetr": {"carry_norm": False, "auxiliary_loss": True}}, False),
    ],
    ids=str,
)
def test_the_flag_means_what_its_writer_meant(tmp_path, stored, carried):
    """transformers feeds normed embeddings on where it says auxiliary_loss; condetr never does unless told."""
    read = ConditionalDetrConfig.from_dict(stored)
    assert (read.carry_norm, read.auxiliary_loss) == (carried, stored["auxiliary_loss"])
    assert read.split().config.carry_norm == carried
    read.save_pretrained(tmp_path)
    again = ConditionalDetrConfig.from_pretrained(tmp_path)
    assert (again.carry_norm, again.auxiliary_loss) == (carried, stored["auxiliary_loss"])
    again.auxiliary_loss = True  # by a person: how to supervise, not what to compute
    assert again.split().config.carry_norm == carried


def test_ids_of_the_data_set_stay_with_the_model(tmp_path):
    config(source_ids=(17, 18, 75)).save_pretrained(tmp_path)
    assert ConditionalDetrConfig.from_pretrained(tmp_path).source_ids == (17, 18, 75)
    assert ConditionalDetrConfig.from_pretrained(tmp_path, num_labels=2).source_ids is None


def test_to_the_network_and_back():
    split = config(carry_norm=True, class_cost=3, source_ids=(1, 2, 5)).split()
    assert split.config.d_model == 16
    again = ConditionalDetrConfig.from_split(split).split()
    assert (again.config, again.labels, again.source_ids) == (split.config, split.labels, split.source_ids)
    assert again.flat["class_cost"] == 3


def test_where_it_came_from_is_not_stored(tmp_path):
    config(name_or_path="/home/somebody/model").save_pretrained(tmp_path)
    assert "somebody" not in (tmp_path / "config.json").read_text()


def test_a_broken_file(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CondetrError, match=r"config\.json"):
        ConditionalDetrConfig.from_pretrained(tmp_path)
