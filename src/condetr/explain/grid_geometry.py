"""The part of the feature grid that is the image, and the size of a cell in it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from condetr.explain.evidence import LayerMaps, Point
from condetr.images.sizes import HeightWidth


@dataclass(frozen=True, slots=True)
class GridGeometry:
    """(height, width) of the padded grid, of its part that is the image, and of a cell in pixels."""

    frame: tuple[int, int]
    real: tuple[int, int]
    size: tuple[float, float]

    def maps_of(self, weights: Sequence[Tensor]) -> LayerMaps:
        """Flat weights of every layer as maps of the image; padding, whose weights are zero, is cut off."""
        rows, columns = self.real
        if not weights:
            return np.empty((0, 0, rows, columns), dtype=np.float32)
        maps = torch.stack(list(weights)).unflatten(-1, self.frame)[..., :rows, :columns]
        return maps.float().cpu().numpy()

    def cell_at(self, pixel: Point) -> int:
        """The index of the pixel's cell, row by row."""
        row = min(int(pixel[1] / self.size[0]), self.real[0] - 1)
        column = min(int(pixel[0] / self.size[1]), self.real[1] - 1)
        return row * self.frame[1] + column


def grid_geometry_of(
    real: Bool[Tensor, "rows columns"], stride: int, inside: HeightWidth, original: HeightWidth
) -> GridGeometry:
    height, width = (stride * full / part for full, part in zip(original, inside, strict=True))
    return GridGeometry(
        frame=(real.shape[0], real.shape[1]),
        real=(int(real.any(1).sum()), int(real.any(0).sum())),
        size=(height, width),
    )
