"""Exported folders: graphs, class names, preprocessing, and their record export.json."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch

from condetr.checkpoints.config.class_names import read_stuff
from condetr.checkpoints.config.config_json import split_config
from condetr.checkpoints.loading import Provenance
from condetr.core.errors import CheckpointError, UsageError
from condetr.core.names import Backend, GraphFormat
from condetr.export.graph_formats import GRAPH_FILES, RUNNABLE, files_of
from condetr.export.int8.target import warn_of_overflow
from condetr.export.running import ExportedNetwork, open_network
from condetr.files.json_reading import read_json_object
from condetr.images.sizes import HeightWidth
from condetr.model.config import DetectorConfig

RECORD, LAYOUT = "export.json", 1


@dataclass(frozen=True, slots=True)
class StoredExport:
    """The counterpart of a Checkpoint for a graph without PyTorch weights.

    Attributes:
        detector: runs the graph.
        config: of the exported network.
        labels: name of every class id.
        source_ids: the id of every class in the training dataset, where known.
        flat: the rest of config.json.
        preprocessing: preprocessor_config.json.
        provenance: the folder, and remarks.
        form: onnx, openvino, executorch or tensorrt.
    """

    detector: ExportedNetwork
    config: DetectorConfig
    labels: dict[int, str]
    source_ids: tuple[int, ...] | None
    flat: dict[str, Any]
    preprocessing: dict[str, Any] | None
    provenance: Provenance
    form: GraphFormat

    @property
    def stuff(self) -> tuple[int, ...]:
        """Class ids with at most one segment per image."""
        return read_stuff(self.flat, self.labels)


def exported_folder(reference: str | Path) -> Path | None:
    """The folder of an exported graph, from the folder or a file in it; None where it is none.

    Raises:
        CheckpointError: there is a graph without export.json.
    """
    try:
        path = Path(reference).expanduser()
        graphs = {names[0] for names in GRAPH_FILES.values()}
        if path.is_file() and path.suffix in {Path(name).suffix for name in graphs}:
            path, graph = path.parent, path.name
        elif path.is_dir():
            graph = next((name for name in sorted(graphs) if (path / name).is_file()), "")
        else:
            return None
        if (path / RECORD).is_file():
            return path
    except (OSError, RuntimeError):  # unreadable paths are reported when the model is loaded
        return None
    if graph and not (path / "model.safetensors").is_file():
        reason = f"holds {graph} but no {RECORD}, which describes its inputs and outputs"
        raise CheckpointError(reason, source=path, hint="export the model with condetr export")
    return None


def read_export(folder: Path, backend: Backend | None = None) -> StoredExport:
    """Open an exported folder, which must be for ``backend`` unless that is None.

    Raises:
        CheckpointError: a file is missing, damaged, or inconsistent.
        UsageError: condetr does not run this format, or it is not for ``backend``.
        MissingExtraError: its library is not installed.
    """
    record = read_json_object(folder / RECORD)
    form = _form(record, folder)
    if backend not in (None, form):
        hint = f"leave it out, or export the model with --format {backend}"
        raise UsageError(f"is a graph for {form}, not for {backend}", source=folder, item="backend", hint=hint)
    _check_files(record, form, folder)
    file = folder / "config.json"
    split = split_config(read_json_object(file), file)
    fixed = _fixed(record, folder)
    network = open_network(
        form,
        folder,
        torch.get_num_threads(),
        masks=_has_masks(record),
        fixed=fixed,
        masks_in_boxes=split.config.masks_in_boxes,
    )
    _check_classes(record, len(split.labels), folder)
    precision = record.get("precision")
    warn_of_overflow(record.get("target"), folder)
    notes = (*split.notes, f"this is a graph for {form} in {precision}, not a PyTorch network")
    return StoredExport(
        network,
        split.config,
        split.labels,
        split.source_ids,
        split.flat,
        read_json_object(folder / "preprocessor_config.json"),
        Provenance(folder, None, "condetr", notes),
        form,
    )


def _form(record: Mapping[str, Any], folder: Path) -> GraphFormat:
    if record.get("layout") != LAYOUT:
        reason = f"is {record.get('layout')!r}, expected {LAYOUT}"
        raise CheckpointError(reason, source=folder / RECORD, item="layout", hint="export the model again")
    form = record.get("format")
    if form not in GRAPH_FILES:
        reason = f"is {form!r}, expected one of {', '.join(GRAPH_FILES)}"
        raise CheckpointError(reason, source=folder / RECORD, item="format")
    if form not in RUNNABLE:
        hint = "torch.export.load reads it in your own programs; for condetr export it as onnx or openvino"
        raise UsageError(f"condetr does not run {form}: reading it can run code", source=folder, hint=hint)
    return cast("GraphFormat", form)


def _check_files(record: Mapping[str, Any], form: GraphFormat, folder: Path) -> None:
    """Truncated files are detected before a library reads them."""
    files, expected = record.get("files"), files_of(form, masks=_has_masks(record))
    if not isinstance(files, dict) or set(files) != set(expected):
        raise CheckpointError(f"lacks the sizes of {', '.join(expected)}", source=folder / RECORD, item="files")
    for name, size in files.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError("is missing", source=path, hint="copy the whole exported folder")
        if path.stat().st_size != size:
            reason = f"has {path.stat().st_size} bytes, expected {size}"
            raise CheckpointError(reason, source=path, hint="copy the folder again, or export the model again")


def _has_masks(record: Mapping[str, Any]) -> bool:
    return record.get("masks") is not None


def _fixed(record: Mapping[str, Any], folder: Path) -> HeightWidth | None:
    shape = _shape(record, "inputs", "pixels", folder)
    height, width = shape[-2:]
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _check_classes(record: Mapping[str, Any], classes: int, folder: Path) -> None:
    shape = _shape(record, "outputs", "logits", folder)
    if shape[-1] != classes:
        reason = f"names {classes} classes, but the graph has {shape[-1]}"
        raise CheckpointError(reason, source=folder / "config.json", item="id2label")


def _shape(record: Mapping[str, Any], side: str, name: str, folder: Path) -> list[Any]:
    try:
        shape = record[side][name]["shape"]
        if isinstance(shape, list) and len(shape) >= 3:
            return shape
    except (KeyError, TypeError):
        pass
    raise CheckpointError("has no shape", source=folder / RECORD, item=f"{side}.{name}")


def as_json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, allow_nan=False) + "\n"
