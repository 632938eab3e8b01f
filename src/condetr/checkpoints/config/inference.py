"""The network of a weights file without config.json, inferred from the authors' ``args`` and from shapes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from condetr.checkpoints.cleaning import StoredState
from condetr.checkpoints.config.backbone_writing import backbone_fields
from condetr.checkpoints.config.coco_names import COCO_NAMES
from condetr.checkpoints.config.config_json import MODEL_TYPE
from condetr.checkpoints.stored_shapes import StoredShapes
from condetr.core.errors import CheckpointError
from condetr.model.config import ResNetDescription

HEADS = 8  # of every published model; only a mask head shows it in its shapes
DROPOUT = 0.1
FIELDS = {  # of the authors' args -> of config.json
    "backbone": "backbone",
    "dilation": "dilation",
    "num_queries": "num_queries",
    "hidden_dim": "d_model",
    "enc_layers": "encoder_layers",
    "dec_layers": "decoder_layers",
    "set_cost_class": "class_cost",
    "set_cost_bbox": "bbox_cost",
    "set_cost_giou": "giou_cost",
    "mask_loss_coef": "mask_loss_coefficient",
    "dice_loss_coef": "dice_loss_coefficient",
    "cls_loss_coef": "cls_loss_coefficient",
    "bbox_loss_coef": "bbox_loss_coefficient",
    "giou_loss_coef": "giou_loss_coefficient",
    "focal_alpha": "focal_alpha",
}
DROPOUTS = ("dropout", "attention_dropout", "activation_dropout")  # the authors have one for all three
SHARED_FIELDS = {
    "nheads": ("encoder_attention_heads", "decoder_attention_heads"),
    "dim_feedforward": ("encoder_ffn_dim", "decoder_ffn_dim"),
    "dropout": DROPOUTS,
}
POSITIONS = {"v2": "sine", "v3": "learned"}


def infer_config(state: StoredState) -> tuple[dict[str, Any], list[str]]:
    """The config.json that belongs to a weights file, and notes on what was assumed.

    Raises:
        CheckpointError: the weights are not a Conditional DETR with a ResNet.
    """
    shapes = StoredShapes(state)
    inferred = _from_shapes(shapes)
    arguments = state.arguments or {}
    if not arguments:
        heads = inferred["encoder_attention_heads"]
        return inferred, [f"no config.json and no args: the network was inferred from shapes, with {heads} heads"]
    if shapes.key_format != "original":
        return inferred, ["ignored args: they are the authors', but the keys of the weights are not"]
    return _from_arguments(arguments, inferred, state.source), [
        "no config.json: the network was inferred from args and shapes"
    ]


def _from_shapes(shapes: StoredShapes) -> dict[str, Any]:
    queries, channels = shapes.shape("decoder.object_queries")
    (classes,) = shapes.shape("head.classes.bias")
    labels = COCO_NAMES if classes == len(COCO_NAMES) else {}
    named = {"id2label": {str(number): name for number, name in labels.items()}} if labels else {"num_labels": classes}
    return {
        "model_type": MODEL_TYPE,
        **backbone_fields(_backbone(shapes), as_resnet=shapes.layout == "resnet"),
        **named,
        "num_queries": queries,
        "d_model": channels,
        "encoder_layers": shapes.number("encoder.layers.{}.feedforward.expand.weight"),
        "decoder_layers": shapes.number("decoder.layers.{}.feedforward.expand.weight"),
        "encoder_ffn_dim": _width(shapes, "encoder.layers.0.feedforward.expand.weight"),
        "decoder_ffn_dim": _width(shapes, "decoder.layers.0.feedforward.expand.weight"),
        **dict.fromkeys(SHARED_FIELDS["nheads"], _heads(shapes, channels)),
        "position_embedding_type": "learned" if shapes.has("position.rows") else "sine",
        **dict.fromkeys(DROPOUTS, DROPOUT),
    }


def _heads(shapes: StoredShapes, channels: int) -> int:
    """The input of a mask head has the channels of the transformer and one map per head."""
    name = "mask_head.pyramid.conv1.conv.weight"
    return shapes.shape(name)[0] - channels if shapes.has(name) else HEADS


def _width(shapes: StoredShapes, name: str) -> int:
    return shapes.shape(name)[0] if shapes.has(name) else 1


def _backbone(shapes: StoredShapes) -> ResNetDescription:
    stages = shapes.number("backbone.stages.{}.0.convs.0.conv.weight")
    last = shapes.number("backbone.stages.0.0.convs.{}.conv.weight") - 1
    squeeze = 4 if last == 2 else 1
    widths = tuple(shapes.shape(f"backbone.stages.{s}.0.convs.{last}.conv.weight")[0] for s in range(stages))
    inner = tuple(shapes.shape(f"backbone.stages.{s}.0.convs.0.conv.weight")[0] for s in range(stages))
    stem = [f"backbone.stem.{i}.conv.weight" for i in range(len(shapes.resnet.stem_widths))]
    return replace(
        shapes.resnet,
        block="bottleneck" if last == 2 else "basic",
        depths=tuple(shapes.number(f"backbone.stages.{s}.{{}}.convs.0.conv.weight") for s in range(stages)),
        widths=widths,
        inner_widths=None if inner == tuple(width // squeeze for width in widths) else inner,
        stem_widths=tuple(shapes.shape(name)[0] for name in stem),
        in_channels=shapes.shape(stem[0])[1],
    )


def _from_arguments(arguments: Mapping[str, Any], inferred: Mapping[str, Any], source: object) -> dict[str, Any]:
    """The authors' arguments as fields of config.json. Where they contradict the weights, loading fails."""
    if arguments.get("pre_norm"):
        raise CheckpointError(
            "is set, which no published model uses and condetr does not support", source=source, item="args.pre_norm"
        )
    config = {field: arguments[name] for name, field in FIELDS.items() if name in arguments}
    config = {
        field: int(value) if isinstance(value, float) and value.is_integer() else value
        for field, value in config.items()
    }
    if "backbone" in config:
        config |= {"backbone_config": None, "use_timm_backbone": True}
    for name, fields in SHARED_FIELDS.items():
        config |= dict.fromkeys(fields, arguments[name]) if name in arguments else {}
    if "position_embedding" in arguments:
        position = arguments["position_embedding"]
        config["position_embedding_type"] = POSITIONS.get(position, position)
    return {**inferred, **config}
