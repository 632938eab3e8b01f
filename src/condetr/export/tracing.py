"""Tracing a graph with torch.export, for one shape or any."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from condetr.core.errors import ModelError, first_line_of
from condetr.core.out_of_memory import is_out_of_memory, out_of_memory
from condetr.export.extras import quiet
from condetr.export.graph import Graph
from condetr.export.graph_formats import AXES
from condetr.images.sizes import HeightWidth

_ANY_SIZE: HeightWidth = (96, 128)  # an example; the traced program holds for all sizes
_OBJECTS = 3  # for example


@dataclass(frozen=True, slots=True)
class Traced:
    """A program, example inputs and outputs, and the names of its dynamic axes."""

    program: ExportedProgram
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    dynamic: Collection[str]

    def products(self) -> frozenset[str]:
        """Names of the nodes of linear layers that int8 does not harm: of encoder and decoder, without positions.

        With positions in 8 bits, too, the digit detector loses 0.35 points of AP, and else none (docs/export.md).
        """
        linears = [node for node in self.program.graph.nodes if node.target is torch.ops.aten.linear.default]
        layers = {node.name: list(node.meta["nn_module_stack"].values())[-1][0] for node in linears}
        return frozenset(
            name
            for name, layer in layers.items()
            if (".body.encoder." in layer or ".body.decoder." in layer) and "spatial" not in layer
        )

    def described(self) -> dict[str, dict[str, Any]]:
        """Inputs and outputs with their shapes, for export.json."""
        sides = {"inputs": self.inputs, "outputs": self.outputs}
        return {side: {name: self._value(name, example) for name, example in of.items()} for side, of in sides.items()}

    def _value(self, name: str, example: Tensor) -> dict[str, Any]:
        axes = zip(AXES[name], example.shape, strict=True)
        shape = [axis if axis in self.dynamic else length for axis, length in axes]
        return {"dtype": str(example.dtype).removeprefix("torch."), "shape": shape}


def traced_detection(graph: Graph, colors: int, fixed: HeightWidth | None = None) -> Traced:
    """Trace a graph of images.

    Args:
        graph: in evaluation mode, on the CPU.
        colors: channels of an image.
        fixed: the only (height, width) that the program accepts; else batch and size are dynamic.

    Raises:
        ModelError: the network cannot be traced.
    """
    batch = 1 if fixed else 2  # PyTorch specializes dimensions of one
    height, width = fixed or _ANY_SIZE
    pixels = torch.zeros(batch, colors, height, width)
    mask = torch.ones(batch, height, width, dtype=torch.bool)
    mask[:, height - 8 :] = False
    maps = {axis for axes in AXES.values() for axis in axes if axis.startswith(("rows", "columns"))}
    dynamic = () if fixed else {"batch", "height", "width", *maps}
    return _traced(graph, {"pixels": pixels, "mask": mask}, dynamic)


def traced_masks(graph: Graph, detection: Traced) -> Traced:
    """Trace the mask graph on the outputs of the detection graph for one image."""
    shared = {name: detection.outputs[name][:1] for name in graph.inputs[1:]}
    chosen = detection.outputs["embeddings"][0, :_OBJECTS]
    return _traced(graph, {"chosen": chosen, **shared}, {"objects", *detection.dynamic} - {"batch"})


def _traced(graph: Graph, inputs: Mapping[str, Tensor], dynamic: Collection[str]) -> Traced:
    shapes = {
        name: {position: Dim.DYNAMIC for position, axis in enumerate(AXES[name]) if axis in dynamic} or None
        for name in inputs
    }
    try:
        with quiet(), torch.no_grad():
            outputs = graph(*inputs.values())
            program = torch.export.export(graph, tuple(inputs.values()), dynamic_shapes=shapes, strict=False)
    except Exception as error:  # PyTorch raises many types here, all about this network
        if is_out_of_memory(error):
            raise out_of_memory("in the export", hint="free memory, or export a smaller model") from error
        reason = f"cannot be exported: {first_line_of(error)}"
        raise ModelError(reason, item="model", hint="--no-dynamic may work; --debug shows more") from error
    return Traced(program, dict(inputs), dict(zip(graph.outputs, outputs, strict=True)), dynamic)
