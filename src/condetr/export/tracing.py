"""From a graph in Python to a program without Python, of one shape or of any."""

from typing import Any

import torch
from torch.export import Dim, ExportedProgram

from condetr.core.errors import ModelError
from condetr.export.extras import quiet
from condetr.export.graph import DetectionGraph
from condetr.images.sizes import HeightWidth

_ANY_SIZE: HeightWidth = (96, 128)  # an example; what is traced holds for all sizes


def traced(graph: DetectionGraph, colours: int, fixed: HeightWidth | None = None) -> ExportedProgram:
    """Record what the graph computes.

    Args:
        graph: in evaluation mode, on the CPU.
        colours: channels of a picture.
        fixed: the (height, width) of the only picture that the program will take; else batch and size are free.

    Raises:
        ModelError: the network cannot be recorded.
    """
    batch = 1 if fixed else 2  # PyTorch takes a dimension of one for a constant
    height, width = fixed or _ANY_SIZE
    pixels = torch.zeros(batch, colours, height, width)
    mask = torch.ones(batch, height, width, dtype=torch.bool)
    mask[:, height - 8 :] = False
    free = None
    if fixed is None:
        free = {"pixels": _free(0, 2, 3), "mask": _free(0, 1, 2)}
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(graph, (pixels, mask), dynamic_shapes=free, strict=False)
    except Exception as error:  # whatever PyTorch raises here is about this network
        reason = f"cannot be exported: {str(error).strip().splitlines()[0]}"
        raise ModelError(reason, item="model", hint="--no-dynamic may work; --debug shows more") from error


def _free(*axes: int) -> dict[int, Any]:
    return dict.fromkeys(axes, Dim.DYNAMIC)
