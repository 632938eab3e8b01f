"""config.json, split once into what the network is, what its classes are called, and the rest, to be carried along."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from condetr.checkpoints.config.backbone_reading import read_backbone
from condetr.checkpoints.config.backbone_writing import backbone_fields
from condetr.checkpoints.config.class_names import FIELDS as LABELS
from condetr.checkpoints.config.class_names import read_labels, read_source_ids
from condetr.checkpoints.config.limits import check_bounds, check_numbers
from condetr.core.errors import CheckpointError, SettingsError
from condetr.model.config import DetectorConfig

MODEL_TYPE = "conditional_detr"
ALIASES = {
    "hidden_size": "d_model",
    "num_attention_heads": "encoder_attention_heads",
    "num_hidden_layers": "encoder_layers",
}
DETECTOR, SEGMENTER = "ConditionalDetrForObjectDetection", "ConditionalDetrForSegmentation"
OWN = "condetr"  # the field for what only condetr stores; stale if transformers wrote the file later
_NETWORK = tuple(
    spec.name for spec in fields(DetectorConfig) if spec.name not in ("backbone", "num_labels", "carry_norm")
)
_BACKBONE = (
    "backbone", "backbone_config", "backbone_kwargs", "use_timm_backbone", "use_pretrained_backbone", "dilation",
    "num_channels",
)  # fmt: skip
_RUNS_CODE = ("auto_map", "trust_remote_code", "custom_pipelines")
_WRITTEN_AFRESH = ("model_type", "architectures", "dtype", "torch_dtype", "transformers_version", OWN)


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """The parts of a config.json.

    Attributes:
        config: the network.
        labels: name of every class id.
        source_ids: the id of every class in the dataset it was trained on, where known.
        flat: all other fields, to be written back unchanged.
        notes: what was converted or ignored.
        segments: whether it describes a segmenter; whether there is a mask head depends on the weights.
    """

    config: DetectorConfig
    labels: dict[int, str]
    source_ids: tuple[int, ...] | None
    flat: dict[str, Any]
    notes: list[str] = field(default_factory=list)
    segments: bool = False


def split_config(
    raw: Mapping[str, Any], source: object = "config.json", overrides: Mapping[str, Any] | None = None
) -> SplitConfig:
    """Split a config.json into its parts.

    Args:
        raw: its content.
        source: the file, for errors.
        overrides: fields that replace those of the file; also ``carry_norm``.

    Raises:
        CheckpointError: names the file and the field.
    """
    notes: list[str] = []
    overrides = overrides or {}
    try:
        _check_model_type(raw)
        carry_norm = _carries_norm(raw, notes)
        raw = _overridden(_without_aliases(raw, notes), _without_aliases(overrides, notes))
        labels = read_labels(raw)
        config = DetectorConfig(
            backbone=read_backbone(raw, notes),
            num_labels=len(labels),
            carry_norm=overrides.get("carry_norm", carry_norm),
            **{name: raw[name] for name in _NETWORK if name in raw},
        )
        check_bounds(config)
        check_numbers(raw)
        own = _own(raw)
        if "transformers_version" in raw and own:
            own = {}
            notes.append("config.json: last written by transformers, so the field of condetr is ignored")
        source_ids = None if any(name in overrides for name in LABELS) else read_source_ids(own, labels)
    except SettingsError as error:
        raise error.at(source=source, kind=CheckpointError) from None
    notes += [
        f"config.json: ignored {name}; condetr runs no code of a checkpoint" for name in _RUNS_CODE if name in raw
    ]
    consumed = {*_NETWORK, *_BACKBONE, *LABELS, *_WRITTEN_AFRESH, *_RUNS_CODE, "carry_norm"}
    flat = {name: value for name, value in raw.items() if name not in consumed}
    flat |= {name: own[name] for name in ("auxiliary_loss",) if name in own and name not in overrides}
    if (raw.get("backbone_config") or {}).get("model_type") == "resnet":
        flat["use_timm_backbone"] = False
    architectures = raw.get("architectures")
    return SplitConfig(
        config, labels, source_ids, flat, notes, isinstance(architectures, list) and SEGMENTER in architectures
    )


def join_config(split: SplitConfig) -> dict[str, Any]:
    """The config.json that transformers 4 and 5 read as the same network."""
    config, flat = split.config, dict(split.flat)
    as_resnet = flat.pop("use_timm_backbone", None) is False
    network = {name: value for name, value in asdict(config).items() if name in _NETWORK}
    if not config.masks_in_boxes:  # of the paper
        del network["masks_in_boxes"]
    own = {"carry_norm": config.carry_norm, "auxiliary_loss": flat.pop("auxiliary_loss", False)}
    if split.source_ids is not None:
        own["source_ids"] = list(split.source_ids)
    return {
        **flat,
        "model_type": MODEL_TYPE,
        "architectures": [SEGMENTER if split.segments else DETECTOR],
        **network,
        **backbone_fields(config.backbone, as_resnet=as_resnet),
        # In transformers it changes predictions, so it describes the computation here, not the supervision.
        "auxiliary_loss": config.carry_norm,
        "id2label": {str(number): name for number, name in split.labels.items()},
        "label2id": {name: number for number, name in split.labels.items()},
        OWN: own,
    }


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
            "config.json: auxiliary_loss of transformers also changes its predictions; carry_norm reproduces this"
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
    """Replacing a field also removes the fields with the same meaning."""
    same = (LABELS, ("backbone", "backbone_config", "backbone_kwargs", "use_timm_backbone"))
    for group in same:
        if any(name in overrides for name in group):
            raw = {name: value for name, value in raw.items() if name not in group}
    return raw | dict(overrides)
