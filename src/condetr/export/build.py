"""From a network to the files of a graph in a folder."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from condetr.export.calibration import quantized
from condetr.export.formats import GRAPH_FILES, INPUT_AXES, Format, Precision, check_possible
from condetr.export.graph import DetectionGraph
from condetr.export.tracing import traced
from condetr.export.writing import openvino_model, write_onnx, write_openvino, write_torch
from condetr.images.preprocessing import Preprocessing
from condetr.images.resize import Picture
from condetr.images.sizes import HeightWidth


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphKind:
    """What kind of graph is wanted.

    Attributes:
        form: of the files.
        precision: of weights and arithmetic; OpenVINO's fp16 stores halves and computes in fp32 on a CPU.
        fixed: the (height, width) of the only picture that it takes; None for any batch and size.
        best: how many detections post-processing inside the graph gives; None for none.
    """

    form: Format
    precision: Precision = "fp32"
    fixed: HeightWidth | None = None
    best: int | None = None


def build(
    network: nn.Module,
    kind: GraphKind,
    folder: Path,
    *,
    colours: int,
    classes: int,
    queries: int,
    preprocessing: Preprocessing,
    calibration: Sequence[Picture] = (),
) -> dict[str, Any]:
    """Write the graph, and tell what was written, as export.json has it.

    Args:
        network: in evaluation mode, in float32 on the CPU; it stays as it is.
        kind: what is wanted.
        folder: where to.
        colours: channels of a picture.
        classes: of the head.
        queries: of the decoder.
        preprocessing: of the pictures of ``calibration``.
        calibration: pictures to measure the ranges of int8 on.

    Raises:
        UsageError: there is no such kind.
        ModelError: the network cannot be exported.
        MissingExtraError: a library is not installed.
    """
    libraries = check_possible(kind.form, kind.precision)
    halved = kind.precision == "fp16" and kind.form != "openvino"
    dtype = torch.float16 if halved else torch.float32
    graph = DetectionGraph(copy.deepcopy(network).to(dtype), best=kind.best, dtype=dtype).eval()
    program = traced(graph, colours, kind.fixed)
    if kind.form == "onnx":
        write_onnx(program, graph, folder)
    elif kind.form == "torch-export":
        write_torch(program, folder)
    else:
        model = openvino_model(program, graph)
        if kind.precision == "int8":
            model = quantized(model, calibration, preprocessing)
        write_openvino(model, folder, half=kind.precision == "fp16")
    return {
        "format": kind.form,
        "precision": kind.precision,
        "dynamic": kind.fixed is None,
        "files": {name: (folder / name).stat().st_size for name in GRAPH_FILES[kind.form]},
        **_shapes(kind, colours=colours, classes=classes, queries=queries),
        "versions": {name: version(name) for name in ("torch", *libraries)},
    }


def _shapes(kind: GraphKind, *, colours: int, classes: int, queries: int) -> dict[str, Any]:
    known: dict[str | int, str | int] = {"colours": colours}
    if kind.fixed is not None:
        known |= {"batch": 1, "height": kind.fixed[0], "width": kind.fixed[1]}
    batch = known.get("batch", "batch")
    inputs = {name: [known.get(axis, axis) for axis in axes] for name, axes in INPUT_AXES.items()}
    outputs: dict[str, list[str | int]] = {"logits": [batch, queries, classes], "boxes": [batch, queries, 4]}
    if kind.best is not None:
        best = min(kind.best, queries * classes)
        outputs |= {"scores": [batch, best], "labels": [batch, best], "boxes_xyxy": [batch, best, 4]}
    dtypes = {"mask": "bool", "labels": "int64"}
    return {
        "inputs": {name: {"dtype": dtypes.get(name, "float32"), "shape": shape} for name, shape in inputs.items()},
        "outputs": {name: {"dtype": dtypes.get(name, "float32"), "shape": shape} for name, shape in outputs.items()},
    }
