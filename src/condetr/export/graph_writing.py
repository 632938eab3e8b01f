"""A traced program as the files of each format."""

import ast
from pathlib import Path
from typing import Any

import torch

from condetr.export.extras import needed, quiet
from condetr.export.graph_formats import AXES
from condetr.export.onnx_padding import merge_padding
from condetr.export.tracing import Traced

_SCOPES = "pkg.torch.onnx.name_scopes"  # of a node: names of modules, then that of the node in the traced program


def write_onnx(traced: Traced, file: Path) -> None:
    """One file with the weights inside; dynamic axes have names, and nothing names files of this machine.

    Matrix products are named as OpenVINO names them: by their nodes in the traced program.
    """
    with quiet():
        exported = torch.onnx.export(
            traced.program,
            dynamo=True,
            verbose=False,
            input_names=list(traced.inputs),
            output_names=list(traced.outputs),
        )
    assert exported is not None, "torch.onnx.export returns None only if it writes a file itself"
    values: list[Any] = [*exported.model.graph.inputs, *exported.model.graph.outputs]
    for value in values:
        for position, axis in enumerate(AXES[str(value.name)]):
            if axis in traced.dynamic:
                value.shape[position] = axis
    for node in exported.model.graph:
        origin = node.metadata_props.get(_SCOPES)
        if origin is not None and node.op_type == "MatMul":
            node.name = f"{ast.literal_eval(origin)[-1]}/{node.op_type}"
        node.metadata_props.clear()  # stack traces, with paths of this machine
    merge_padding(exported.model)
    exported.save(file, external_data=False)


def write_torch(traced: Traced, file: Path) -> None:
    """A file for ``torch.export.load`` and AOTInductor."""
    with quiet():
        torch.export.save(traced.program, file)


def openvino_model(traced: Traced) -> Any:
    """The program as an OpenVINO model in memory, its inputs and outputs named."""
    with quiet():
        model = needed("openvino").convert_model(traced.program)
    names = (*traced.inputs, *traced.outputs)
    for value, name in zip((*model.inputs, *model.outputs), names, strict=True):
        value.get_tensor().set_names({name})
    return model


def write_openvino(model: Any, file: Path, *, half: bool) -> None:
    """The graph and, beside it, its weights; ``half`` stores the weights in fp16."""
    needed("openvino").save_model(model, file, compress_to_fp16=half)
