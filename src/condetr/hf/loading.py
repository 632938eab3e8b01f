"""A detector with given settings out of a stored model, and what of it was not stored."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from condetr.checkpoints.assemble import assembled, shapes_of
from condetr.checkpoints.config_json import SplitConfig
from condetr.checkpoints.files import StoredWeights, read_weights
from condetr.checkpoints.json_file import read_json_object
from condetr.checkpoints.keys import LAYOUTS, foreign_keys
from condetr.checkpoints.original import infer_config
from condetr.checkpoints.translate import Translation, to_condetr
from condetr.hf.placement import dtype_of
from condetr.model.config import DetectorConfig
from condetr.model.detector import ConditionalDetr


class Loaded(NamedTuple):
    """``fresh`` are condetr's names of what was initialised; ``info`` says so in transformers' words."""

    detector: ConditionalDetr
    fresh: tuple[str, ...]
    info: dict[str, Any]


def stored_settings(path: Path) -> dict[str, Any]:
    """config.json at, in or beside ``path``; a weights file without one is asked itself."""
    file = path if path.suffix == ".json" else (path if path.is_dir() else path.parent) / "config.json"
    if path.is_dir() or file.is_file():
        return read_json_object(file)
    raw, _notes = infer_config(read_weights(path))
    return raw


def load_detector(
    path: Path, split: SplitConfig, dtype: torch.dtype | str | None, *, ignore_mismatched_sizes: bool
) -> Loaded:
    """Raises `CheckpointError` where the weights are broken, unsafe or do not fit the settings."""
    weights = read_weights(path)
    translation = to_condetr(
        weights.tensors,
        shapes_of(split.config),
        split.config.backbone,
        weights.file,
        without_head=True,
        detector_only=True,
        ignore_mismatched_sizes=ignore_mismatched_sizes,
    )
    stored = next(iter(weights.tensors.values())).dtype
    detector = assembled(split.config, translation.tensors, dtype_of(dtype, stored))
    return Loaded(detector, translation.fresh, _info(split.config, weights, translation))


def _info(config: DetectorConfig, weights: StoredWeights, translation: Translation) -> dict[str, Any]:
    hub = foreign_keys(translation.fresh, config.backbone, "hub", LAYOUTS[0])
    theirs = foreign_keys(translation.fresh, config.backbone, translation.dialect, LAYOUTS[0])
    shapes = shapes_of(config)
    stored = {name: weights.tensors[key] for name, (key, _) in theirs.items() if key in weights.tensors}
    return {
        "missing_keys": [hub[name].key for name in translation.fresh if name not in stored],
        "unexpected_keys": [],
        "mismatched_keys": [(hub[name].key, tensor.shape, shapes[name]) for name, tensor in stored.items()],
        "error_msgs": [],
    }
