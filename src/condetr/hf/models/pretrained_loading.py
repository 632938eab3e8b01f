"""Loading of a stored model into a detector with given settings, and transformers' loading info about it."""

import logging
from pathlib import Path
from typing import Any

import torch

from condetr.checkpoints.cleaning import StoredState
from condetr.checkpoints.config.config_json import SplitConfig
from condetr.checkpoints.config.inference import infer_config
from condetr.checkpoints.empty_network import assembled, shapes_of, skeleton_of
from condetr.checkpoints.files import read_weights
from condetr.checkpoints.keys import LAYOUTS, KeyFormat, foreign_keys, in_segmenter
from condetr.checkpoints.tensors import listed
from condetr.checkpoints.translate import Accept, to_condetr
from condetr.files.json_reading import read_json_object
from condetr.hf.models.placement import dtype_of
from condetr.model.detector import ConditionalDetr
from condetr.model.segmenter import ConditionalDetrSegmenter

log = logging.getLogger(__name__)


def stored_settings(path: Path) -> dict[str, Any]:
    """config.json at, in or beside ``path``; if there is none it is inferred from the weights, and a warning logged."""
    file = path if path.suffix == ".json" else (path if path.is_dir() else path.parent) / "config.json"
    if path == file or file.is_file():
        return read_json_object(file)
    raw, notes = infer_config(read_weights(path))
    for note in notes:
        log.warning("%s: %s", path, note)
    return raw


def load_detector(
    path: Path,
    split: SplitConfig,
    dtype: torch.dtype | str | None,
    *,
    ignore_mismatched_sizes: bool,
    headless: bool,
    kind: type[ConditionalDetr],
) -> tuple[ConditionalDetr, dict[str, Any]]:
    """The detector, and its loading info as transformers defines it.

    Args:
        path: of a folder or weights file.
        split: the settings.
        dtype: of the weights.
        ignore_mismatched_sizes: initialize tensors of other shapes afresh.
        headless: leave the head out of the info.
        kind: a detector, which ignores a stored mask head, or a segmenter, whose mask head need not be stored.

    Raises:
        CheckpointError: the weights are broken, unsafe or do not fit the settings.
    """
    state, skeleton = read_weights(path), skeleton_of(split.config, kind)
    translation = to_condetr(
        state,
        shapes_of(skeleton),
        split.config.backbone,
        accept=Accept.NO_HEAD | Accept.NO_MASK_HEAD | Accept.EXTRA_MASK_HEAD,
        ignore_mismatched_sizes=ignore_mismatched_sizes,
    )
    stored = next(iter(state.tensors.values())).dtype
    detector = assembled(skeleton, translation.tensors, dtype_of(dtype, stored))
    fresh = [name for name in translation.fresh if not (headless and name.startswith("head."))]
    info = _info(fresh, state, translation.key_format, skeleton)
    if fresh:
        keys = info["missing_keys"] + [key for key, *_ in info["mismatched_keys"]]
        log.warning("%s: freshly initialized, to be trained: %s", state.source, listed(keys))
    for note in translation.notes:
        log.info("%s: %s", state.source, note)
    return detector, info


def _info(fresh: list[str], state: StoredState, key_format: KeyFormat, skeleton: ConditionalDetr) -> dict[str, Any]:
    hub = foreign_keys(fresh, skeleton.config.backbone, "hub", LAYOUTS[0])
    theirs = foreign_keys(fresh, skeleton.config.backbone, key_format, LAYOUTS[0])
    stored = {name: state.tensors[key] for name, (key, _) in theirs.items() if key in state.tensors}
    full_key = in_segmenter if isinstance(skeleton, ConditionalDetrSegmenter) else str
    return {
        "missing_keys": [full_key(hub[name].key) for name in fresh if name not in stored],
        "unexpected_keys": [],
        "mismatched_keys": [
            (full_key(hub[name].key), tensor.shape, skeleton.state_dict()[name].shape)
            for name, tensor in stored.items()
        ],
        "error_msgs": [],
    }
