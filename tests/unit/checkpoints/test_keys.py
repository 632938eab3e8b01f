import pytest
import torch

from condetr.checkpoints.keys import foreign_keys, own_name
from condetr.model.config import DetectorConfig, ResNetDescription
from condetr.model.detector import ConditionalDetr
from condetr.model.resnet_names import RESNETS

SELF, CROSS = "encoder.layers.3.self_attention", "decoder.layers.0.cross_attention"


def foreign(name: str, key_format: str, layout: str = "timm", backbone: str = "resnet50") -> tuple[str, int | None]:
    return tuple(foreign_keys([name], RESNETS[backbone], key_format, layout)[name])


@pytest.mark.parametrize(
    ("ours", "key_format", "theirs", "part"),
    [
        ("decoder.object_queries", "hub", "model.query_position_embeddings.weight", None),
        ("decoder.object_queries", "original", "query_embed.weight", None),
        ("encoder.layers.3.feedforward.expand.bias", "original", "transformer.encoder.layers.3.linear1.bias", None),
        (f"{SELF}.value.bias", "original", "transformer.encoder.layers.3.self_attn.in_proj_bias", 2),
        (f"{SELF}.key.weight", "hub", "model.encoder.layers.3.self_attn.k_proj.weight", None),
        (f"{CROSS}.object_query.bias", "transformers", "model.decoder.layers.0.encoder_attn.q_pos_proj.bias", None),
        ("head.boxes.layers.2.bias", "hub", "bbox_predictor.layers.2.bias", None),
        ("position.rows", "original", "backbone.1.row_embed.weight", None),
        ("backbone.stages.0.2.convs.1.norm.running_var", "original", "backbone.0.body.layer1.2.bn2.running_var", None),
    ],
)
def test_a_name_in_each_key_format(ours, key_format, theirs, part):
    assert foreign(ours, key_format) == (theirs, part)


@pytest.mark.parametrize(
    ("ours", "layout", "backbone", "theirs"),
    [
        ("stem.0.conv.weight", "timm", "resnet50", "conv1.weight"),
        ("stem.0.conv.weight", "timm", "resnet50d", "conv1.0.weight"),
        ("stem.0.norm.bias", "timm", "resnet50d", "conv1.1.bias"),
        ("stem.2.norm.bias", "timm", "resnet50d", "bn1.bias"),
        ("stages.1.0.shortcut.norm.bias", "timm", "resnet50", "layer2.0.downsample.1.bias"),
        ("stages.1.0.shortcut.norm.bias", "timm", "resnet50d", "layer2.0.downsample.2.bias"),
        ("stem.0.conv.weight", "resnet", "resnet50", "embedder.embedder.convolution.weight"),
        ("stages.1.0.convs.2.conv.bias", "resnet", "resnet50", "encoder.stages.1.layers.0.layer.2.convolution.bias"),
    ],
)
def test_names_inside_the_backbone(ours, layout, backbone, theirs):
    assert foreign(f"backbone.{ours}", "transformers", layout, backbone) == (f"model.backbone.model.{theirs}", None)


@pytest.mark.parametrize("key_format", ["hub", "transformers", "original"])
@pytest.mark.parametrize("position", ["sine", "learned"])
def test_no_two_tensors_share_a_key(key_format, position):
    config = DetectorConfig(backbone=ResNetDescription(depths=(1, 1, 1, 1)), position_embedding_type=position)
    with torch.device("meta"):
        names = ConditionalDetr(config).state_dict()
    places = foreign_keys(names, config.backbone, key_format, "timm")
    assert len(set(places.values())) == len(names)


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("body.encoder.layers.0.feedforward.expand.bias", "encoder.layers.0.feedforward.expand.bias"),
        ("detector.body.position.rows", "detector.position.rows"),
        ("backbone.network.body.conv1.weight", "backbone.network.body.conv1.weight"),  # timm's TResNet
        ("body.layer1.0.conv1.weight", "body.layer1.0.conv1.weight"),  # the same, stored alone
        ("mask_head.pyramid.joining.norm.bias", "mask_head.pyramid.conv1.norm.bias"),
        ("detector.mask_head.pyramid.narrowing.conv.weight", "detector.mask_head.pyramid.conv2.conv.weight"),
        ("mask_head.pyramid.fusions.2.adapter.bias", "mask_head.pyramid.fpn_stages.2.adapter.bias"),
        ("head.classes.bias", "head.classes.bias"),
    ],
)
def test_names_of_earlier_versions(name, own):
    assert own_name(name) == own == own_name(own)
