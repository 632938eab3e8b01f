"""Reading the backbone out of a config.json: flat (transformers 4), nested (transformers 5), or our own format."""

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from condetr.core.errors import SettingsError
from condetr.model.config import ACTIVATIONS, ResNetDescription, TimmDescription
from condetr.model.resnet_names import RESNETS
from condetr.model.timm_norms import PEERS_EPSILON

Backbone = ResNetDescription | TimmDescription

OURS: dict[str, type[Backbone]] = {"condetr_resnet": ResNetDescription, "condetr_timm": TimmDescription}
STORED_NAMES = {"in_channels": "colours"}  # the names of our fields in config.json, where they differ
ARCHITECTURE = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?")  # a name of timm, with or without a pretraining tag
DC5_STRIDE = 16


def read_backbone(raw: Mapping[str, Any], notes: list[str]) -> Backbone:
    """The backbone that the fields of a config.json describe.

    Raises:
        SettingsError: its ``item`` is the field.
    """
    nested = raw.get("backbone_config")
    dilation = _typed(raw, "dilation", bool, default=False)
    if nested is None:
        return _read_flat(raw, dilation=dilation)
    if not isinstance(nested, dict):
        raise SettingsError(f"is a {type(nested).__name__}, expected an object", item="backbone_config")
    if nested.get("auto_map"):
        raise SettingsError(
            f"names code to run ({nested['auto_map']}), which condetr never does", item="backbone_config.auto_map"
        )
    kind = nested.get("model_type")
    if kind == "timm_backbone":
        return _read_timm(nested, "backbone_config.", default_indices=(-1,))
    if kind == "resnet":
        if dilation:
            notes.append("config.json: dilation has no effect with a transformers backbone, as in transformers")
        return _read_resnet(nested)
    if isinstance(kind, str) and kind in OURS:
        return _read_ours(nested, OURS[kind])
    known = ", ".join(("timm_backbone", "resnet", *OURS))
    raise SettingsError(f"is {kind!r}, expected one of {known}", item="backbone_config.model_type")


def _read_flat(raw: Mapping[str, Any], *, dilation: bool) -> Backbone:
    name = raw.get("backbone")
    if name is not None:
        _check_architecture(name, "backbone")
    if not _typed(raw, "use_timm_backbone", bool, default=True):
        return _read_resnet({})
    options = raw.get("backbone_kwargs") or {}
    if not isinstance(options, dict):
        raise SettingsError(f"is a {type(options).__name__}, expected an object", item="backbone_kwargs")
    options = {"in_chans": raw.get("num_channels", 3), "output_stride": DC5_STRIDE if dilation else None} | options
    options = {"backbone": name or "resnet50", "num_channels": options.pop("in_chans")} | options
    return _read_timm(options, "", default_indices=(1, 2, 3, 4))


def _read_timm(description: Mapping[str, Any], where: str, *, default_indices: tuple[int, ...]) -> Backbone:
    name = description.get("backbone")
    _check_architecture(name, f"{where}backbone")
    name = str(name).partition(".")[0]  # the tag names the training data, not the architecture
    channels = _typed(description, "num_channels", int, default=3, where=where)
    stride = description.get("output_stride")
    if stride not in (None, 8, 16, 32):
        raise SettingsError(f"is {stride!r}, expected 8, 16 or 32", item=f"{where}output_stride")
    indices = description.get("out_indices") or default_indices
    if not isinstance(indices, list | tuple) or not all(type(index) is int for index in indices):
        raise SettingsError(f"is {indices!r}, expected a list of whole numbers", item=f"{where}out_indices")
    if name in RESNETS:
        stages = max(index % 5 for index in indices)
        if not 1 <= stages <= 4:
            raise SettingsError(f"is {indices!r}, expected the stages 1 to 4", item=f"{where}out_indices")
        whole = replace(RESNETS[name], in_channels=channels, output_stride=None if stride == 32 else stride)
        return _first_stages(whole, stages)
    # With it timm freezes the norms, and keeps what transformers loses when it does: activations and epsilons.
    kept = _typed(description, "freeze_batch_norm_2d", bool, default=False, where=where)
    return TimmDescription(
        name=name,
        out_indices=tuple(indices),
        output_stride=stride,
        norm_activations=kept,
        norm_epsilon=None if kept else PEERS_EPSILON,
        in_channels=channels,
    )


def _read_resnet(description: Mapping[str, Any]) -> ResNetDescription:
    where = "backbone_config."
    widths = _integers(description, "hidden_sizes", (256, 512, 1024, 2048))
    depths = _integers(description, "depths", (3, 4, 6, 3))
    block = description.get("layer_type", "bottleneck")
    in_first_convolution = _typed(description, "downsample_in_bottleneck", bool, default=False, where=where)
    in_first_stage = _typed(description, "downsample_in_first_stage", bool, default=False, where=where)
    activation = description.get("hidden_act", "relu")
    for name, value, options in (
        ("layer_type", block, ("basic", "bottleneck")),
        ("hidden_act", activation, ACTIVATIONS),
    ):
        if value not in options:
            raise SettingsError(f"is {value!r}, expected one of {', '.join(options)}", item=f"{where}{name}")
    whole = ResNetDescription(
        block=block,
        depths=depths,
        widths=widths,
        stem_widths=(_typed(description, "embedding_size", int, default=64, where=where),),
        stride_in="1x1" if in_first_convolution and block == "bottleneck" else "3x3",
        first_stage_stride=2 if in_first_stage else 1,
        activation=activation,
        in_channels=_typed(description, "num_channels", int, default=3, where=where),
    )
    return _first_stages(whole, _last_stage(description, len(depths)))


def _last_stage(description: Mapping[str, Any], stages: int) -> int:
    names = ["stem", *(f"stage{number + 1}" for number in range(stages))]
    outputs = description.get("out_features") or description.get("out_indices") or [-1]
    last = outputs[-1] if isinstance(outputs, list) else outputs
    if type(last) is int and -len(names) <= last < len(names):
        last = names[last]
    if last not in names[1:]:
        raise SettingsError(
            f"is {outputs!r}, expected some of {', '.join(names[1:])}", item="backbone_config.out_features"
        )
    return names.index(last)


def _read_ours(description: Mapping[str, Any], kind: type[Backbone]) -> Backbone:
    names = {STORED_NAMES.get(spec.name, spec.name): spec.name for spec in fields(kind)}
    unknown = description.keys() - names.keys() - {"model_type"}
    if unknown:
        raise SettingsError(f"has unknown fields {', '.join(sorted(unknown))}", item="backbone_config")
    values: dict[str, Any] = {
        names[name]: tuple(value) if isinstance(value, list) else value
        for name, value in description.items()
        if name in names
    }
    if kind is TimmDescription:
        _check_architecture(values.get("name"), "backbone_config.name")
        values.setdefault("norm_epsilon", PEERS_EPSILON)  # not stored while there was no other
    return kind(**values)


def _first_stages(whole: ResNetDescription, stages: int) -> ResNetDescription:
    """The detector uses the output of the last requested stage; later stages would never run."""
    if stages == len(whole.depths):
        return whole
    inner = whole.inner_widths and whole.inner_widths[:stages]
    return replace(whole, depths=whole.depths[:stages], widths=whole.widths[:stages], inner_widths=inner)


def _check_architecture(name: Any, field: str) -> None:
    if not isinstance(name, str) or not ARCHITECTURE.fullmatch(name):
        raise SettingsError(
            f"is {name!r}, expected the name of an architecture; condetr takes no backbone from a path or a hub",
            item=field,
        )


def _typed(description: Mapping[str, Any], name: str, kind: type, *, default: Any, where: str = "") -> Any:
    value = description.get(name)
    if value is None:
        return default
    if type(value) is not kind:
        raise SettingsError(f"is {value!r}, expected a {kind.__name__}", item=f"{where}{name}")
    return value


def _integers(description: Mapping[str, Any], name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    value = description.get(name, default)
    if not isinstance(value, list | tuple) or not value or any(type(n) is not int or n < 1 for n in value):
        raise SettingsError(f"is {value!r}, expected whole numbers of at least 1", item=f"backbone_config.{name}")
    return tuple(value)
