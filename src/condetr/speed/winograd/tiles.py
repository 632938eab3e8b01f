"""A 3x3 convolution as 36 matrix products between the transforms of Winograd's F(4x4, 3x3).

Each tile of 6x6 pixels gives 4x4 outputs; between the transforms a convolution is 36 independent products over the
channels, with a quarter of the multiplications (Lavin and Gray 2016).
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from condetr.core.shapes import FeatureMap
from condetr.speed.winograd.transforms import OUT, TILE, transforms

_CHUNK = 8 << 20  # bytes of transformed tiles at once, which fit into the CPU cache

Products = Float[Tensor, "36 inputs outputs"]  # of a transformed kernel
Tiles = Float[Tensor, "36 tiles channels"]


class Matrices(NamedTuple):
    """The transforms of both dimensions at once: from weights, from pixels, and to outputs."""

    kernel: Float[Tensor, "36 9"]
    into: Float[Tensor, "36 36"]
    back: Float[Tensor, "16 36"]


def matrices() -> Matrices:
    """In double precision."""
    return Matrices(*(torch.kron(matrix, matrix) for matrix in transforms()))


class TileGrid:
    """The tiles of a map: neighbors share two pixels, so that a pixel is in up to four.

    With a ``step``, for a dilated convolution, a tile has every second (third, ...) pixel, and there is one for each
    offset.
    """

    def __init__(self, x: FeatureMap, step: int = 1) -> None:
        self._height, self._width = x.shape[2:]
        self.down, self.across = (-(-side // (OUT * step)) for side in x.shape[2:])
        margins = (
            step,
            OUT * step * self.across + step - self._width,
            step,
            OUT * step * self.down + step - self._height,
        )
        self.step, self._framed = step, pad(x.permute(0, 2, 3, 1), (0, 0, *margins))

    def convolved(self, products: Products, transform: Matrices) -> FeatureMap:
        """The convolution without a bias, as a view of a larger map."""
        batch, step, outputs = len(self._framed), self.step, products.shape[2]
        result = self._framed.new_empty(batch, self.down, OUT, step, self.across, OUT, step, outputs)
        for rows, tiles in self.transformed(transform, outputs):
            outs = transform.back @ torch.bmm(tiles, products).flatten(1)
            shape = OUT, OUT, batch, len(rows), step, self.across, step, outputs
            result[:, rows.start : rows.stop].copy_(outs.view(shape).permute(2, 3, 0, 4, 5, 1, 6, 7))
        whole = result.view(batch, self.down * OUT * step, self.across * OUT * step, outputs)
        return whole[:, : self._height, : self._width].permute(0, 3, 1, 2)

    def transformed(self, transform: Matrices, outputs: int) -> Iterator[tuple[range, Tiles]]:
        """Chunks of tile rows, as many as fit into the CPU cache together with their ``outputs``."""
        framed, step, side = self._framed, self.step, self.step * OUT
        (image, row, column, channel), inputs = framed.stride(), framed.shape[-1]
        stride = step * row, step * column, image, side * row, row, side * column, column, channel
        products = len(transform.into)
        row_bytes = len(framed) * self.across * step**2 * products * max(inputs, outputs) * framed.element_size()
        at_once = max(1, _CHUNK // row_bytes)
        for first in range(0, self.down, at_once):
            rows = range(first, min(first + at_once, self.down))
            size = TILE, TILE, len(framed), len(rows), step, self.across, step, inputs
            tiles = framed.as_strided(size, stride, first * side * row).flatten(0, 1).flatten(1)
            yield rows, (transform.into @ tiles).view(products, -1, inputs)
