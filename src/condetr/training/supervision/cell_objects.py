"""Which object each cell of a feature map belongs to, for training on single cells."""

from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from condetr.core.records import Target
from condetr.core.shapes import GridMask

CORE = 0.5  # of an object's sides: cells inside belong to it, those around the core to nothing
BACKGROUND = -1
IGNORED = -100  # also the ignore_index of cross_entropy

CellObjects = Int64[Tensor, "batch rows columns"]


def cell_objects(targets: Sequence[Target], cells: GridMask) -> CellObjects:
    """The index of the object whose core covers a cell, the smallest where several do; or `BACKGROUND`, or `IGNORED`.

    The cell of an object's center belongs to it, however small it is. Cells between the core and the edge of an object
    are ignored, and padding is.

    Args:
        targets: of each image.
        cells: True on cells that hold real pixels.
    """
    numbers = torch.full(cells.shape, BACKGROUND, dtype=torch.int64, device=cells.device)
    for image, target in enumerate(targets):
        rows, columns = int(cells[image].any(1).sum()), int(cells[image].any(0).sum())
        grid = numbers[image, :rows, :columns]  # without padding
        y, x = ((torch.arange(side) + 0.5) / side for side in (rows, columns))
        x_center, y_center, width, height = target.boxes.cpu().unbind(1)
        across, down = (x - x_center[:, None]).abs(), (y - y_center[:, None]).abs()
        touched = (2 * down < height[:, None])[:, :, None] & (2 * across < width[:, None])[:, None, :]
        core = (2 * down < CORE * height[:, None])[:, :, None] & (2 * across < CORE * width[:, None])[:, None, :]
        center = (y_center * rows).long().clamp(0, rows - 1), (x_center * columns).long().clamp(0, columns - 1)
        core[torch.arange(len(core)), *center] = True
        for number in (width * height).argsort(descending=True).tolist():
            grid[touched[number].to(grid.device)] = IGNORED
            grid[core[number].to(grid.device)] = number
    return numbers.masked_fill(~cells, IGNORED)
