"""config.json, split once into what the network is, what its classes are called, and the rest, to be carried along."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from condetr.checkpoints.backbone_json import read_backbone
from condetr.checkpoints.backbone_words import backbone_fields
from condetr.core.errors import CheckpointError, SettingsError
from condetr.model.config import DetectorConfig, ResNetDescription

MODEL_TYPE = "conditional_detr"
ALIASES = {
    "hidden_size": "d_model",
    "num_attention_heads": "encoder_attention_heads",
    "num_hidden_layers": "encoder_layers",
}
OWN = "condetr"  # the field with what only condetr says; where transformers wrote last, it is stale
DEFAULT_LABELS = 2  # of every transformers config that names none
MOST = 1_000_000  # of anything: a damaged number must not become an allocation
MOST_LAYERS = 500
NUMBERS = (  # of the losses and the matching, for other rooms
    "class_cost", "bbox_cost", "giou_cost", "mask_loss_coefficient", "dice_loss_coefficient", "cls_loss_coefficient",
    "bbox_loss_coefficient", "giou_loss_coefficient", "focal_alpha", "init_std", "init_xavier_std",
)  # fmt: skip
_NETWORK = tuple(
    spec.name for spec in fields(DetectorConfig) if spec.name not in ("backbone", "num_labels", "carry_norm")
)
_BACKBONE = (
    "backbone", "backbone_config", "backbone_kwargs", "use_timm_backbone", "use_pretrained_backbone", "dilation",
    "num_channels",
)  # fmt: skip
_RUNS_CODE = ("auto_map", "trust_remote_code", "custom_pipelines")
_WRITTEN_AFRESH = ("model_type", "architectures", "dtype", "torch_dtype", "transformers_version", OWN)
_LABELS = ("id2label", "label2id", "num_labels")


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """A config.json, taken apart.

    Attributes:
        config: the network.
        labels: name of every class id.
        source_ids: the id of every class in the data set it was trained on, where known.
        flat: everything else, to be written back as it was.
        notes: what was converted or ignored.
    """

    config: DetectorConfig
    labels: dict[int, str]
    source_ids: tuple[int, ...] | None
    flat: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def split_config(
    raw: Mapping[str, Any], source: object = "config.json", overrides: Mapping[str, Any] | None = None
) -> SplitConfig:
    """Take a config.json apart.

    Args:
        raw: its object.
        source: the file, for errors.
        overrides: fields that replace the file's, in its words; ``carry_norm`` is also known.

    Raises:
        CheckpointError: names the file and the field.
    """
    notes: list[str] = []
    try:
        _check_model_type(raw)
        carry_norm = _carries_norm(raw, notes)
        raw = _overridden(_without_aliases(raw, notes), _without_aliases(overrides or {}, notes))
        labels = _labels(raw)
        config = DetectorConfig(
            backbone=read_backbone(raw, notes),
            num_labels=len(labels),
            carry_norm=raw.get("carry_norm", carry_norm),
            **{name: raw[name] for name in _NETWORK if name in raw},
        )
        _check_bounds(config)
        _check_numbers(raw)
        # What transformers wrote after us it may have changed: our own field is stale then.
        own = {} if "transformers_version" in raw else _own(raw)
        source_ids = _source_ids(own, labels)
    except SettingsError as error:
        raise CheckpointError(error.reason, source=source, item=error.item, hint=error.hint) from None
    notes += [
        f"config.json: ignored {name}; condetr runs no code of a checkpoint" for name in _RUNS_CODE if name in raw
    ]
    consumed = {*_NETWORK, *_BACKBONE, *_LABELS, *_WRITTEN_AFRESH, *_RUNS_CODE, "carry_norm"}
    flat = {name: value for name, value in raw.items() if name not in consumed}
    flat |= {name: own[name] for name in ("auxiliary_loss",) if name in own and name not in (overrides or {})}
    if (raw.get("backbone_config") or {}).get("model_type") == "resnet":
        flat["use_timm_backbone"] = False
    return SplitConfig(config, labels, source_ids, flat, notes)


def join_config(split: SplitConfig) -> dict[str, Any]:
    """The config.json that transformers 4 and 5 read as the same network."""
    config, flat = split.config, dict(split.flat)
    as_resnet = flat.pop("use_timm_backbone", None) is False
    network = {name: value for name, value in asdict(config).items() if name in _NETWORK}
    own = {"carry_norm": config.carry_norm, "auxiliary_loss": flat.pop("auxiliary_loss", False)}
    if split.source_ids is not None:
        own["source_ids"] = list(split.source_ids)
    return {
        **flat,
        "model_type": MODEL_TYPE,
        "architectures": ["ConditionalDetrForObjectDetection"],
        **network,
        **backbone_fields(config.backbone, as_resnet=as_resnet),
        # There it alters predictions, so it says what this network computes, not how it was supervised.
        "auxiliary_loss": config.carry_norm,
        "id2label": {str(number): name for number, name in split.labels.items()},
        "label2id": {name: number for number, name in split.labels.items()},
        OWN: own,
    }


def default_labels(count: int) -> dict[int, str]:
    return {number: f"LABEL_{number}" for number in range(count)}


def _check_model_type(raw: Mapping[str, Any]) -> None:
    kind = raw.get("model_type")
    if kind != MODEL_TYPE:
        near = "; DETR is another network, whose weights do not fit" if kind == "detr" else ""
        raise SettingsError(f"is {kind!r}, expected {MODEL_TYPE!r}{near}", item="model_type")


def _carries_norm(raw: Mapping[str, Any], notes: list[str]) -> bool:
    supervised = raw.get("auxiliary_loss", False)
    if type(supervised) is not bool:
        raise SettingsError(f"is {supervised!r}, expected true or false", item="auxiliary_loss")
    if "transformers_version" not in raw:
        return _own(raw).get("carry_norm", False)
    if supervised:
        notes.append(
            "config.json: auxiliary_loss of transformers also changes its predictions; carry_norm reproduces them"
        )
    return supervised


def _own(raw: Mapping[str, Any]) -> dict[str, Any]:
    own = raw.get(OWN, {})
    if not isinstance(own, dict):
        raise SettingsError(f"is a {type(own).__name__}, expected an object", item=OWN)
    for name in ("carry_norm", "auxiliary_loss"):
        if type(own.get(name, False)) is not bool:
            raise SettingsError(f"is {own[name]!r}, expected true or false", item=f"{OWN}.{name}")
    return own


def _without_aliases(raw: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    plain = {name: value for name, value in raw.items() if name not in ALIASES}
    for alias, name in ALIASES.items():
        if alias not in raw:
            continue
        if plain.setdefault(name, raw[alias]) != raw[alias]:
            notes.append(f"config.json: ignored {alias}={raw[alias]!r} beside {name}={plain[name]!r}")
    return plain


def _overridden(raw: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """A field that is replaced takes with it the fields that say the same in other words."""
    same = (_LABELS, ("backbone", "backbone_config", "backbone_kwargs", "use_timm_backbone"))
    for group in same:
        if any(name in overrides for name in group):
            raw = {name: value for name, value in raw.items() if name not in group}
    return raw | dict(overrides)


def _labels(raw: Mapping[str, Any]) -> dict[int, str]:
    table = raw.get("id2label")
    if table is None:
        count = raw.get("num_labels", DEFAULT_LABELS)
        if type(count) is not int or not 1 <= count <= MOST:
            raise SettingsError(f"is {count!r}, expected a whole number from 1 to {MOST}", item="num_labels")
        return default_labels(count)
    if not isinstance(table, dict) or not table or not all(isinstance(name, str) for name in table.values()):
        raise SettingsError("is no table from class ids to names", item="id2label")
    try:
        names = {int(number): name for number, name in table.items() if name.encode()}
    except (TypeError, ValueError):
        names = {}
    if sorted(names) != list(range(len(table))):
        raise SettingsError(f"its ids are not 0 to {len(table) - 1}, each once", item="id2label")
    return dict(sorted(names.items()))


def _source_ids(own: Mapping[str, Any], labels: Mapping[int, str]) -> tuple[int, ...] | None:
    ids = own.get("source_ids")
    if ids is None:
        return None
    if not isinstance(ids, list) or len(ids) != len(labels) or any(type(number) is not int for number in ids):
        raise SettingsError(f"is no list of {len(labels)} whole numbers", item=f"{OWN}.source_ids")
    return tuple(ids)


def _check_bounds(config: DetectorConfig) -> None:
    for spec in fields(config):
        value, most = getattr(config, spec.name), MOST_LAYERS if spec.name.endswith("_layers") else MOST
        if type(value) is int and value > most:
            raise SettingsError(f"is {value}, expected at most {most}", item=spec.name)
    if isinstance(config.backbone, ResNetDescription):
        backbone = config.backbone
        if sum(backbone.depths) > MOST_LAYERS:
            raise SettingsError(
                f"{backbone.depths} blocks, expected at most {MOST_LAYERS}", item="backbone_config.depths"
            )
        widest = max(*backbone.widths, *backbone.stem_widths, *(backbone.inner_widths or ()), backbone.colours)
        if widest > MOST:
            raise SettingsError(f"{widest} channels, expected at most {MOST}", item="backbone_config")


def _check_numbers(raw: Mapping[str, Any]) -> None:
    for name in NUMBERS:
        value = raw.get(name, 0)
        if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
            raise SettingsError(f"is {value!r}, expected a number of at least 0", item=name)
