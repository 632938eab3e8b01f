"""Writing the backbone to a config.json, in fields that transformers 4 and 5 read wherever they can describe it."""

from dataclasses import asdict
from typing import Any

from condetr.checkpoints.config.backbone_reading import DC5_STRIDE, OURS, STORED_NAMES, Backbone
from condetr.checkpoints.keys import Layout
from condetr.model.config import TimmDescription
from condetr.model.named_backbone import name_of
from condetr.model.timm_norms import PEERS_EPSILON

ALL_STAGES = (1, 2, 3, 4)


def backbone_fields(backbone: Backbone, *, as_resnet: bool = False) -> dict[str, Any]:
    """The fields of a config.json that describe a backbone.

    Both versions of transformers read the flat names of timm, and their own ResNet; only version 5 reads timm's
    networks with other strides or stages, and a stride in the first convolution of bottlenecks. What neither can
    describe is written in our own format, which both refuse.

    Args:
        backbone: the backbone to describe.
        as_resnet: prefer transformers' own ResNet to the name of timm where both fit.
    """
    resnet = _resnet_fields(backbone)
    if resnet and as_resnet:
        return _nested(backbone, resnet)
    return _flat(backbone) or _nested(backbone, resnet or _timm_fields(backbone) or _own_fields(backbone))


def why_not_transformers(backbone: Backbone) -> str | None:
    """Why neither version of transformers can build this backbone; None if one of them can."""
    if backbone_fields(backbone)["use_timm_backbone"] or _timm_fields(backbone) or _resnet_fields(backbone):
        return None
    if isinstance(backbone, TimmDescription):
        return f"the norms of its {backbone.name} lose their activations, or have another epsilon"
    lacks = {
        f"output stride {backbone.output_stride}": backbone.output_stride is not None,
        "deep stem": len(backbone.stem_widths) > 1,
        "average shortcuts": backbone.shortcut == "average",
        "inner widths": backbone.inner_widths is not None,
    }
    return f"its ResNets of any width have no {', no '.join(name for name, there in lacks.items() if there)}"


def layout_of(fields: dict[str, Any]) -> Layout:
    """The layout of the backbone's keys that belongs to these fields."""
    nested = fields["backbone_config"]
    return "resnet" if nested is not None and nested["model_type"] == "resnet" else "timm"


def _flat(backbone: Backbone) -> dict[str, Any] | None:
    name = _timm_name(backbone)
    if name is None or backbone.output_stride not in (None, DC5_STRIDE):
        return None
    if isinstance(backbone, TimmDescription) and backbone.out_indices != ALL_STAGES:
        return None
    return {
        "use_timm_backbone": True,
        "backbone": name,
        "backbone_config": None,
        "use_pretrained_backbone": False,
        "dilation": backbone.output_stride == DC5_STRIDE,
        "num_channels": backbone.in_channels,
    }


def _nested(backbone: Backbone, nested: dict[str, Any]) -> dict[str, Any]:
    return {
        "use_timm_backbone": False,
        "backbone": None,
        "backbone_config": nested,
        "use_pretrained_backbone": False,
        "dilation": False,
        "num_channels": backbone.in_channels,
    }


def _timm_name(backbone: Backbone) -> str | None:
    if isinstance(backbone, TimmDescription):
        as_peers = not backbone.norm_activations and backbone.norm_epsilon == PEERS_EPSILON
        return backbone.name if as_peers else None
    return name_of(backbone)


def _timm_fields(backbone: Backbone) -> dict[str, Any] | None:
    kept = isinstance(backbone, TimmDescription) and backbone.norm_activations and backbone.norm_epsilon is None
    name = name_of(backbone) if kept else _timm_name(backbone)
    if name is None:
        return None
    indices = backbone.out_indices if isinstance(backbone, TimmDescription) else ALL_STAGES
    norms = {"freeze_batch_norm_2d": True} if kept else {}  # transformers then keeps activations and epsilons, too
    return norms | {
        "model_type": "timm_backbone",
        "backbone": name,
        "num_channels": backbone.in_channels,
        "features_only": True,
        "use_pretrained_backbone": False,
        "out_indices": list(indices),
        "output_stride": backbone.output_stride,
    }


def _resnet_fields(backbone: Backbone) -> dict[str, Any] | None:
    if isinstance(backbone, TimmDescription):
        return None
    if len(backbone.stem_widths) > 1 or backbone.shortcut != "convolution":
        return None
    if backbone.inner_widths is not None or backbone.output_stride is not None:
        return None
    return {
        "model_type": "resnet",
        "num_channels": backbone.in_channels,
        "embedding_size": backbone.stem_widths[0],
        "hidden_sizes": list(backbone.widths),
        "depths": list(backbone.depths),
        "layer_type": backbone.block,
        "hidden_act": backbone.activation,
        "downsample_in_first_stage": backbone.first_stage_stride == 2,
        "downsample_in_bottleneck": backbone.stride_in == "1x1",
        "out_features": [
            f"stage{number}" for number in range(1, len(backbone.depths) + 1)
        ],  # masks need the finer ones
    }


def _own_fields(backbone: Backbone) -> dict[str, Any]:
    kind = next(kind for kind, cls in OURS.items() if isinstance(backbone, cls))
    return {"model_type": kind} | {STORED_NAMES.get(name, name): value for name, value in asdict(backbone).items()}
