"""A model repository for Triton Inference Server: a folder a graph, with a version and config.pbtxt."""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condetr.export.graph_formats import GRAPH_FILES, MASK_FILES

REPOSITORY = "triton"
_TYPES = {"float32": "TYPE_FP32", "bool": "TYPE_BOOL", "int64": "TYPE_INT64"}
_MAX_BATCH = 8


def write_repository(folder: Path, record: Mapping[str, Any], name: str) -> None:
    """Write the repository into a folder with ONNX graphs, as ``triton``.

    Args:
        folder: of the graphs.
        record: the content of export.json.
        name: of the model; the graph of masks is NAME-masks.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "model"
    _write_model(folder / GRAPH_FILES["onnx"][0], name, record, _MAX_BATCH if record["dynamic"] else 0)
    if record["masks"] is not None:
        _write_model(folder / MASK_FILES["onnx"][0], f"{name}-masks", record["masks"], 0)


def _write_model(graph: Path, name: str, sides: Mapping[str, Any], max_batch: int) -> None:
    home = graph.parent / REPOSITORY / name
    (home / "1").mkdir(parents=True)
    shutil.copyfile(graph, home / "1" / "model.onnx")
    (home / "config.pbtxt").write_text(config_of(name, sides, max_batch), encoding="utf-8")


def config_of(name: str, sides: Mapping[str, Any], max_batch: int) -> str:
    """The text of config.pbtxt.

    Args:
        name: of the model.
        sides: the inputs and outputs of the graph, as export.json has them.
        max_batch: images per batch, which the shapes then leave out; 0 where a graph has no batches.
    """
    lines = [f"name: {json.dumps(name)}", 'backend: "onnxruntime"', f"max_batch_size: {max_batch}"]
    lines += [
        _value(side.removesuffix("s"), name, value, min(max_batch, 1))
        for side in ("inputs", "outputs")
        for name, value in sides[side].items()
    ]
    return "\n".join([*lines, *(["dynamic_batching { }"] if max_batch else [])]) + "\n"


def _value(side: str, name: str, value: Mapping[str, Any], first: int) -> str:
    """The line of an input or output, whose shape begins with the axis ``first``."""
    dims = ", ".join(str(length) if isinstance(length, int) else "-1" for length in value["shape"][first:])
    return f"{side} [ {{ name: {json.dumps(name)}, data_type: {_TYPES[value['dtype']]}, dims: [ {dims} ] }} ]"
