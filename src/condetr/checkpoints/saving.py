"""Writing a detector to a folder that condetr, transformers 4 and transformers 5 read as the same network."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from condetr.checkpoints.config.backbone_writing import layout_of
from condetr.checkpoints.config.config_json import SplitConfig, join_config
from condetr.checkpoints.keys import WRAPPERS, known_keys
from condetr.checkpoints.model_card import model_card_of
from condetr.checkpoints.tensors import is_finite, listed
from condetr.checkpoints.translate import to_hub
from condetr.core.errors import CheckpointError
from condetr.files.atomic_write import write_files, write_json, write_tensors, write_text
from condetr.model.detector import ConditionalDetr
from condetr.model.segmenter import ConditionalDetrSegmenter
from condetr.model.transformer import DetrTransformer


def save(
    folder: str | Path,
    detector: ConditionalDetr | DetrTransformer,
    labels: Mapping[int, str],
    *,
    source_ids: tuple[int, ...] | None = None,
    flat: Mapping[str, Any] | None = None,
    preprocessing: Mapping[str, Any] | None = None,
    model_card: str | None = None,
    dtype: torch.dtype = torch.float32,
    variant: str | None = None,
) -> None:
    """Write config.json, model.safetensors, README.md and, where given, preprocessor_config.json.

    Args:
        folder: made if needed; files of these names are replaced.
        detector: on any device; with or without a head, or also with a mask head.
        labels: name of every class id.
        source_ids: the id of every class in the dataset.
        flat: further fields of config.json, as in `Checkpoint.flat`.
        preprocessing: the content of preprocessor_config.json.
        model_card: the README; a plain one by default.
        dtype: of the stored weights.
        variant: part of the name of the weights file, as in model.fp16.safetensors.

    Raises:
        CheckpointError: the labels do not fit, or weights are not finite.
        StorageError: the folder cannot be written.
    """
    config = detector.config
    if sorted(labels) != list(range(config.num_labels)):
        raise CheckpointError(f"has {len(labels)} names for a head of {config.num_labels} classes", item="labels")
    segments = isinstance(detector, ConditionalDetrSegmenter)
    raw = join_config(
        SplitConfig(config, dict(sorted(labels.items())), source_ids, dict(flat or {}), segments=segments)
    )
    raw["torch_dtype"] = str(dtype).removeprefix("torch.")
    state = {_without_wrappers(name): tensor for name, tensor in detector.state_dict().items()}
    layout = layout_of(raw)
    if foreign := state.keys() - known_keys(state, config.backbone, "hub", layout).keys():
        raise CheckpointError(
            f"cannot be saved: tensors are not part of Conditional DETR: {listed(foreign)}",
            source=folder,
            hint="merge or remove them first (peft: merge_and_unload()), or save them with the library that added them",
        )
    tensors = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in state.items()}
    broken = [name for name, tensor in tensors.items() if not is_finite(tensor)]
    if broken:
        raise CheckpointError(f"cannot be saved: weights are not finite: {listed(broken)}", source=folder)
    card = model_card or model_card_of(config, labels, segments=segments)
    writers: dict[str, Callable[[Path], None]] = {
        "model.safetensors" if variant is None else f"model.{variant}.safetensors": partial(
            write_tensors, to_hub(tensors, config.backbone, layout)
        ),
        "config.json": partial(write_json, raw, sort_keys=True),
        "README.md": partial(write_text, card),
    }
    if preprocessing is not None:
        writers["preprocessor_config.json"] = partial(write_json, preprocessing, sort_keys=True)
    write_files(Path(folder), writers)


def _without_wrappers(name: str) -> str:
    """Compiled and wrapped layers are stored under their own names."""
    for wrapper in WRAPPERS:
        name = name.replace(f".{wrapper}", ".")
    return name
