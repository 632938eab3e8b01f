"""Reading the backbone out of a config.json: flat (transformers 4), nested (transformers 5), or in our own words."""

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from condetr.core.errors import SettingsError
from condetr.model.config import ACTIVATIONS, ResNetDescription, TimmDescription
from condetr.model.resnet_names import RESNETS

Backbone = ResNetDescription | TimmDescription

OURS: dict[str, type[Backbone]] = {"condetr_resnet": ResNetDescription, "condetr_timm": TimmDescription}
STORED_NAMES = {"in_channels": "colours"}  # what a config.json calls a field of ours, where the names differ
ARCHITECTURE = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?")  # a name of timm, with or without a pretraining tag
DC5_STRIDE = 16


def read_backbone(raw: Mapping[str, Any], notes: list[str]) -> Backbone:
    """What the fields of a config.json say that the backbone is.

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
            notes.append("config.json: dilation has no effect with a backbone of transformers, as there")
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
    said = raw.get("backbone_kwargs") or {}
    if not isinstance(said, dict):
        raise SettingsError(f"is a {type(said).__name__}, expected an object", item="backbone_kwargs")
    said = {"in_chans": raw.get("num_channels", 3), "output_stride": DC5_STRIDE if dilation else None} | said
    said = {"backbone": name or "resnet50", "num_channels": said.pop("in_chans")} | said
    return _read_timm(said, "", default_indices=(1, 2, 3, 4))


def _read_timm(said: Mapping[str, Any], where: str, *, default_indices: tuple[int, ...]) -> Backbone:
    name = said.get("backbone")
    _check_architecture(name, f"{where}backbone")
    name = str(name).partition(".")[0]  # the tag tells what it was trained on, not what it is
    colors = _typed(said, "num_channels", int, default=3, where=where)
    stride = said.get("output_stride")
    if stride not in (None, 8, 16, 32):
        raise SettingsError(f"is {stride!r}, expected 8, 16 or 32", item=f"{where}output_stride")
    indices = said.get("out_indices") or default_indices
    if not isinstance(indices, list | tuple) or not all(type(index) is int for index in indices):
        raise SettingsError(f"is {indices!r}, expected a list of whole numbers", item=f"{where}out_indices")
    if name in RESNETS:
        stages = max(index % 5 for index in indices)
        if not 1 <= stages <= 4:
            raise SettingsError(f"is {indices!r}, expected the stages 1 to 4", item=f"{where}out_indices")
        whole = replace(RESNETS[name], in_channels=colors, output_stride=None if stride == 32 else stride)
        return _first_stages(whole, stages)
    if said.get("freeze_batch_norm_2d"):
        raise SettingsError("is set, expected false", item=f"{where}freeze_batch_norm_2d")
    return TimmDescription(
        name=name, out_indices=tuple(indices), output_stride=stride, norm_activations=False, in_channels=colors
    )


def _read_resnet(said: Mapping[str, Any]) -> ResNetDescription:
    where = "backbone_config."
    widths = _integers(said, "hidden_sizes", (256, 512, 1024, 2048))
    depths = _integers(said, "depths", (3, 4, 6, 3))
    block = said.get("layer_type", "bottleneck")
    in_first_convolution = _typed(said, "downsample_in_bottleneck", bool, default=False, where=where)
    activation = said.get("hidden_act", "relu")
    for name, value, known in (
        ("layer_type", block, ("basic", "bottleneck")),
        ("hidden_act", activation, ACTIVATIONS),
    ):
        if value not in known:
            raise SettingsError(f"is {value!r}, expected one of {', '.join(known)}", item=f"{where}{name}")
    whole = ResNetDescription(
        block=block,
        depths=depths,
        widths=widths,
        stem_widths=(_typed(said, "embedding_size", int, default=64, where=where),),
        stride_in="1x1" if in_first_convolution and block == "bottleneck" else "3x3",
        first_stage_stride=2 if _typed(said, "downsample_in_first_stage", bool, default=False, where=where) else 1,
        activation=activation,
        in_channels=_typed(said, "num_channels", int, default=3, where=where),
    )
    return _first_stages(whole, _last_stage(said, len(depths)))


def _last_stage(said: Mapping[str, Any], stages: int) -> int:
    names = ["stem", *(f"stage{number + 1}" for number in range(stages))]
    shown = said.get("out_features") or said.get("out_indices") or [-1]
    last = shown[-1] if isinstance(shown, list) else shown
    if type(last) is int and -len(names) <= last < len(names):
        last = names[last]
    if last not in names[1:]:
        raise SettingsError(
            f"is {shown!r}, expected some of {', '.join(names[1:])}", item="backbone_config.out_features"
        )
    return names.index(last)


def _read_ours(said: Mapping[str, Any], kind: type[Backbone]) -> Backbone:
    known = {STORED_NAMES.get(spec.name, spec.name): spec.name for spec in fields(kind)}
    unknown = said.keys() - known.keys() - {"model_type"}
    if unknown:
        raise SettingsError(f"unknown fields {', '.join(sorted(unknown))}", item="backbone_config")
    given: dict[str, Any] = {
        known[name]: tuple(value) if isinstance(value, list) else value for name, value in said.items() if name in known
    }
    if kind is TimmDescription:
        _check_architecture(given.get("name"), "backbone_config.name")
    return kind(**given)


def _first_stages(whole: ResNetDescription, stages: int) -> ResNetDescription:
    """The detector looks at the last stage that is asked for; those after it would never be run."""
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


def _typed(said: Mapping[str, Any], name: str, kind: type, *, default: Any, where: str = "") -> Any:
    value = said.get(name)
    if value is None:
        return default
    if type(value) is not kind:
        raise SettingsError(f"is {value!r}, expected a {kind.__name__}", item=f"{where}{name}")
    return value


def _integers(said: Mapping[str, Any], name: str, default: tuple[int, ...]) -> tuple[int, ...]:
    value = said.get(name, default)
    if not isinstance(value, list | tuple) or not value or any(type(n) is not int or n < 1 for n in value):
        raise SettingsError(f"is {value!r}, expected whole numbers of at least 1", item=f"backbone_config.{name}")
    return tuple(value)
