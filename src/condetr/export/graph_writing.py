"""A recorded program as the files of each format."""

from pathlib import Path
from typing import Any

import torch

from condetr.export.extras import needed, quiet
from condetr.export.graph_formats import AXES
from condetr.export.tracing import Recorded


def write_onnx(recorded: Recorded, file: Path) -> None:
    """One file with the weights inside; free axes have names."""
    with quiet():
        found = torch.onnx.export(
            recorded.program,
            dynamo=True,
            verbose=False,
            input_names=list(recorded.inputs),
            output_names=list(recorded.outputs),
        )
    assert found is not None, "torch.onnx.export gives None only where it is told to write"
    values: list[Any] = [*found.model.graph.inputs, *found.model.graph.outputs]
    for value in values:
        for place, axis in enumerate(AXES[str(value.name)]):
            if axis in recorded.free:
                value.shape[place] = axis
    found.save(file, external_data=False)


def write_torch(recorded: Recorded, file: Path) -> None:
    """What ``torch.export.load`` reads, and AOTInductor compiles."""
    with quiet():
        torch.export.save(recorded.program, file)


def openvino_model(recorded: Recorded) -> Any:
    """The program as an OpenVINO model in memory, its inputs and outputs named."""
    with quiet():
        model = needed("openvino").convert_model(recorded.program)
    names = (*recorded.inputs, *recorded.outputs)
    for value, name in zip((*model.inputs, *model.outputs), names, strict=True):
        value.get_tensor().set_names({name})
    return model


def write_openvino(model: Any, file: Path, *, half: bool) -> None:
    """The graph and, beside it, its weights; ``half`` stores the weights in fp16."""
    needed("openvino").save_model(model, file, compress_to_fp16=half)
