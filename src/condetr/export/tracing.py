"""From a graph in Python to a program without Python, of one shape or of any."""

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

_ANY_SIZE: HeightWidth = (96, 128)  # an example; what is traced holds for all sizes
_OBJECTS = 3  # for example


@dataclass(frozen=True, slots=True)
class Recorded:
    """A program, an example of what goes in and comes out, and the names of those axes that have any length."""

    program: ExportedProgram
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    free: Collection[str]

    def described(self) -> dict[str, dict[str, Any]]:
        """Inputs and outputs with their shapes, as export.json has them."""
        sides = {"inputs": self.inputs, "outputs": self.outputs}
        return {side: {name: self._value(name, one) for name, one in of.items()} for side, of in sides.items()}

    def _value(self, name: str, example: Tensor) -> dict[str, Any]:
        axes = zip(AXES[name], example.shape, strict=True)
        shape = [axis if axis in self.free else length for axis, length in axes]
        return {"dtype": str(example.dtype).removeprefix("torch."), "shape": shape}


def recorded_look(graph: Graph, colors: int, fixed: HeightWidth | None = None) -> Recorded:
    """Record what a graph does with images.

    Args:
        graph: in evaluation mode, on the CPU.
        colors: channels of an image.
        fixed: the (height, width) of the only image that the program will take; else batch and size are free.

    Raises:
        ModelError: the network cannot be recorded.
    """
    batch = 1 if fixed else 2  # PyTorch takes a dimension of one for a constant
    height, width = fixed or _ANY_SIZE
    pixels = torch.zeros(batch, colors, height, width)
    mask = torch.ones(batch, height, width, dtype=torch.bool)
    mask[:, height - 8 :] = False
    maps = {axis for axes in AXES.values() for axis in axes if axis.startswith(("rows", "columns"))}
    free = () if fixed else {"batch", "height", "width", *maps}
    return _recorded(graph, {"pixels": pixels, "mask": mask}, free)


def recorded_masks(graph: Graph, look: Recorded) -> Recorded:
    """Record how masks are made of what the other graph says about one image."""
    one = {name: look.outputs[name][:1] for name in graph.inputs[1:]}
    chosen = look.outputs["embeddings"][0, :_OBJECTS]
    return _recorded(graph, {"chosen": chosen, **one}, {"objects", *look.free} - {"batch"})


def _recorded(graph: Graph, inputs: Mapping[str, Tensor], free: Collection[str]) -> Recorded:
    shapes = {
        name: {place: Dim.DYNAMIC for place, axis in enumerate(AXES[name]) if axis in free} or None for name in inputs
    }
    try:
        with quiet(), torch.no_grad():
            outputs = graph(*inputs.values())
            given = tuple(inputs.values())
            program = torch.export.export(graph, given, dynamic_shapes=shapes, strict=False)
    except Exception as error:  # whatever PyTorch raises here is about this network
        if is_out_of_memory(error):
            raise out_of_memory("in the export", hint="free memory, or export a smaller model") from error
        reason = f"cannot be exported: {first_line_of(error)}"
        raise ModelError(reason, item="model", hint="--no-dynamic may work; --debug shows more") from error
    return Recorded(program, dict(inputs), dict(zip(graph.outputs, outputs, strict=True)), free)
