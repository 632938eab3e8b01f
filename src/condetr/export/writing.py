"""A recorded program as the files of each format."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from condetr.export.extras import needed, quiet
from condetr.export.formats import GRAPH_FILES, INPUT_AXES
from condetr.export.graph import DetectionGraph


def write_onnx(program: ExportedProgram, graph: DetectionGraph, folder: Path) -> None:
    """One file with the weights inside; free axes are called batch, height and width."""
    with quiet():
        found = torch.onnx.export(
            program, dynamo=True, verbose=False, input_names=list(graph.inputs), output_names=list(graph.outputs)
        )
    assert found is not None, "torch.onnx.export gives None only where it is told to write"
    for value in found.model.graph.inputs:
        _name_axes(value, dict(enumerate(INPUT_AXES[str(value.name)])))
    for value in found.model.graph.outputs:
        _name_axes(value, {0: "batch"})
    found.save(folder / GRAPH_FILES["onnx"][0], external_data=False)


def _name_axes(value: Any, names: Mapping[int, str | int]) -> None:
    for axis, name in names.items():
        if not isinstance(value.shape[axis], int):
            value.shape[axis] = name


def write_torch(program: ExportedProgram, folder: Path) -> None:
    """What ``torch.export.load`` reads, and AOTInductor compiles."""
    with quiet():
        torch.export.save(program, folder / GRAPH_FILES["torch-export"][0])


def openvino_model(program: ExportedProgram, graph: DetectionGraph) -> Any:
    """The program as an OpenVINO model in memory, its inputs and outputs named."""
    with quiet():
        model = needed("openvino").convert_model(program)
    for value, name in zip((*model.inputs, *model.outputs), (*graph.inputs, *graph.outputs), strict=True):
        value.get_tensor().set_names({name})
    return model


def write_openvino(model: Any, folder: Path, *, half: bool) -> None:
    """The graph and its weights; ``half`` stores the weights in fp16."""
    needed("openvino").save_model(model, folder / GRAPH_FILES["openvino"][0], compress_to_fp16=half)
