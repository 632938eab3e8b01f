"""What the network of a weights file without config.json is: told by the authors' ``args`` and by shapes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from condetr.checkpoints.cleaning import unwrapped
from condetr.checkpoints.config.backbone_writing import backbone_fields
from condetr.checkpoints.config.coco_names import COCO_NAMES
from condetr.checkpoints.config.config_json import MODEL_TYPE
from condetr.checkpoints.files import StoredWeights
from condetr.checkpoints.stored_shapes import StoredShapes
from condetr.core.errors import CheckpointError
from condetr.model.config import ResNetDescription

HEADS = 8  # of every published model; only the shapes of a mask head tell
DROPOUT = 0.1
FIELDS = {  # of the authors' args, in the words of config.json
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


def infer_config(weights: StoredWeights) -> tuple[dict[str, Any], list[str]]:
    """The config.json that a weights file should have had beside it, and notes on what was assumed.

    Raises:
        CheckpointError: the weights are no Conditional DETR with a ResNet.
    """
    stored, _ = unwrapped(weights.tensors, weights.file)
    seen = StoredShapes(stored, weights.file)
    inferred = _from_shapes(seen)
    arguments = weights.arguments or {}
    if not arguments:
        heads = inferred["encoder_attention_heads"]
        return inferred, [f"no config.json and no args: the network was inferred from shapes, with {heads} heads"]
    if seen.dialect != "original":
        return inferred, ["ignored args: they are the authors', the names of the weights are not"]
    return _from_arguments(arguments, inferred, weights.file), ["the network was described by args and shapes"]


def _from_shapes(seen: StoredShapes) -> dict[str, Any]:
    queries, channels = seen.shape("decoder.object_queries")
    (classes,) = seen.shape("head.classes.bias")
    labels = COCO_NAMES if classes == len(COCO_NAMES) else {}
    named = {"id2label": {str(number): name for number, name in labels.items()}} if labels else {"num_labels": classes}
    return {
        "model_type": MODEL_TYPE,
        **backbone_fields(_backbone(seen), as_resnet=seen.layout == "resnet"),
        **named,
        "num_queries": queries,
        "d_model": channels,
        "encoder_layers": seen.number("encoder.layers.{}.feedforward.expand.weight"),
        "decoder_layers": seen.number("decoder.layers.{}.feedforward.expand.weight"),
        "encoder_ffn_dim": _width(seen, "encoder.layers.0.feedforward.expand.weight"),
        "decoder_ffn_dim": _width(seen, "decoder.layers.0.feedforward.expand.weight"),
        **dict.fromkeys(SHARED_FIELDS["nheads"], _heads(seen, channels)),
        "position_embedding_type": "learned" if seen.has("position.rows") else "sine",
        **dict.fromkeys(DROPOUTS, DROPOUT),
    }


def _heads(seen: StoredShapes, channels: int) -> int:
    """The first convolution of a mask head sees the channels of the transformer, and a map of every head."""
    name = "mask_head.pyramid.joining.conv.weight"
    return seen.shape(name)[0] - channels if seen.has(name) else HEADS


def _width(seen: StoredShapes, name: str) -> int:
    return seen.shape(name)[0] if seen.has(name) else 1


def _backbone(seen: StoredShapes) -> ResNetDescription:
    stages = seen.number("backbone.stages.{}.0.convs.0.conv.weight")
    last = seen.number("backbone.stages.0.0.convs.{}.conv.weight") - 1
    squeeze = 4 if last == 2 else 1
    widths = tuple(seen.shape(f"backbone.stages.{s}.0.convs.{last}.conv.weight")[0] for s in range(stages))
    inner = tuple(seen.shape(f"backbone.stages.{s}.0.convs.0.conv.weight")[0] for s in range(stages))
    stem = [f"backbone.stem.{i}.conv.weight" for i in range(len(seen.form.stem_widths))]
    return replace(
        seen.form,
        block="bottleneck" if last == 2 else "basic",
        depths=tuple(seen.number(f"backbone.stages.{s}.{{}}.convs.0.conv.weight") for s in range(stages)),
        widths=widths,
        inner_widths=None if inner == tuple(width // squeeze for width in widths) else inner,
        stem_widths=tuple(seen.shape(name)[0] for name in stem),
        in_channels=seen.shape(stem[0])[1],
    )


def _from_arguments(arguments: Mapping[str, Any], inferred: Mapping[str, Any], source: object) -> dict[str, Any]:
    """The authors' arguments in the words of config.json. Where they contradict the weights, loading says so."""
    if arguments.get("pre_norm"):
        raise CheckpointError(
            "is set, which no published model is, and condetr cannot compute", source=source, item="args.pre_norm"
        )
    said = {field: arguments[name] for name, field in FIELDS.items() if name in arguments}
    said = {
        field: int(value) if isinstance(value, float) and value.is_integer() else value for field, value in said.items()
    }
    if "backbone" in said:
        said |= {"backbone_config": None, "use_timm_backbone": True}
    for name, fields in SHARED_FIELDS.items():
        said |= dict.fromkeys(fields, arguments[name]) if name in arguments else {}
    if "position_embedding" in arguments:
        position = arguments["position_embedding"]
        said["position_embedding_type"] = POSITIONS.get(position, position)
    return {**inferred, **said}
