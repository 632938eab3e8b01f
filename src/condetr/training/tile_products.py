"""A 3x3 convolution and its gradients with a quarter of the multiplications: Winograd's F(4x4, 3x3), and its adjoint.

Between the transforms all three are 36 products: of pixels and weights, of gradients and weights turned around, and,
for the gradient of the weight, of pixels and gradients, summed over all tiles.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from condetr.core.shapes import FeatureMap
from condetr.speed.toom_cook import OUT, TILE, transforms
from condetr.training.cell_products import Pace, Weight

FEWEST_CHANNELS = 128  # with fewer, the transforms take what the products save
FEWEST_FOR_WEIGHT = 64  # torch's own kernel is at less than half the speed of its others there
TILES_A_CHANNEL = 1 / 16  # with fewer, reading the transformed weight takes it
_CHUNK = 8 << 20  # bytes of transformed tiles at once: they stay in the cache

Products = Float[Tensor, "36 inputs outputs"]
Tiles = Float[Tensor, "36 tiles channels"]


class _Matrices(NamedTuple):
    """Of both dimensions at once: from weights, from pixels, and to outputs."""

    kernel: Float[Tensor, "36 9"]
    into: Float[Tensor, "36 36"]
    back: Float[Tensor, "16 36"]


@cache
def _matrices() -> _Matrices:
    return _Matrices(*(torch.kron(one, one).float() for one in transforms()))


def is_tile_product(x: FeatureMap, weight: Weight, pace: Pace, fewest: int = FEWEST_CHANNELS) -> bool:
    """Whether this gains: in single precision on a CPU, where there are channels and tiles enough."""
    usual = pace == Pace((1, 1), (1, 1), (1, 1)) and tuple(weight.shape[2:]) == (3, 3)
    plain = x.device.type == "cpu" and x.dtype == torch.float32
    batch, channels, height, width = x.shape
    tiles = batch * -(-height // OUT) * -(-width // OUT)
    return usual and plain and min(weight.shape[:2]) >= fewest and tiles >= TILES_A_CHANNEL * channels


def convolved(x: FeatureMap, weight: Weight) -> FeatureMap:
    """What ``conv2d(x, weight, padding=1)`` gives."""
    (batch, _, height, width), outputs = x.shape, len(weight)
    products, back = _products_of(weight), _matrices().back
    grid = _Grid(x)
    result = x.new_empty(batch, grid.down, OUT, grid.across, OUT, outputs)
    for rows, tiles in grid.tiles(outputs):
        outs = back @ torch.bmm(tiles, products).flatten(1)
        shape = OUT, OUT, batch, len(rows), grid.across, outputs
        result[:, rows.start : rows.stop].copy_(outs.view(shape).permute(2, 3, 0, 4, 1, 5))
    whole = result.view(batch, grid.down * OUT, grid.across * OUT, outputs)
    return whole[:, :height, :width].permute(0, 3, 1, 2)


def gradient_of_input(gradient: FeatureMap, weight: Weight) -> FeatureMap:
    """It is convolved with the weight turned around."""
    return convolved(gradient, weight.flip(2, 3).transpose(0, 1))


def gradient_of_weight(gradient: FeatureMap, x: FeatureMap) -> Weight:
    (batch, outputs, height, width), inputs = gradient.shape, x.shape[1]
    matrices, grid = _matrices(), _Grid(x)
    margins = 0, 0, 0, OUT * grid.across - width, 0, OUT * grid.down - height
    parts = pad(gradient.permute(0, 2, 3, 1), margins).view(batch, grid.down, OUT, grid.across, OUT, outputs)
    summed = x.new_zeros(len(matrices.into), inputs, outputs)
    for rows, tiles in grid.tiles(outputs):
        part = parts[:, rows.start : rows.stop].permute(2, 4, 0, 1, 3, 5).reshape(OUT * OUT, -1)
        summed.baddbmm_(tiles.transpose(1, 2), (matrices.back.t() @ part).view(len(summed), -1, outputs))
    found = matrices.kernel.t() @ summed.flatten(1)
    return found.view(3, 3, inputs, outputs).permute(3, 2, 0, 1)


def _products_of(weight: Weight) -> Products:
    places = _matrices().kernel @ weight.permute(2, 3, 1, 0).reshape(9, -1)
    return places.view(len(places), weight.shape[1], weight.shape[0])


class _Grid:
    """Tiles of 6x6 pixels, one for each 4x4 outputs: neighbours share two pixels."""

    def __init__(self, x: FeatureMap) -> None:
        _, _, height, width = x.shape
        self.down, self.across = -(-height // OUT), -(-width // OUT)
        margins = 0, 0, 1, OUT * self.across + 1 - width, 1, OUT * self.down + 1 - height
        self._framed = pad(x.permute(0, 2, 3, 1), margins)

    def tiles(self, outputs: int) -> Iterator[tuple[range, Tiles]]:
        """The transformed tiles of some rows of them at a time."""
        framed, into = self._framed, _matrices().into
        batch, inputs = len(framed), framed.shape[-1]
        image, row, column, colour = framed.stride()
        stride = row, column, image, OUT * row, OUT * column, colour
        a_row = batch * self.across * len(into) * max(inputs, outputs) * framed.element_size()
        at_once = max(1, _CHUNK // a_row)
        for first in range(0, self.down, at_once):
            rows = range(first, min(first + at_once, self.down))
            size = TILE, TILE, batch, len(rows), self.across, inputs
            tiles = framed.as_strided(size, stride, first * OUT * row).flatten(0, 1).flatten(1)
            yield rows, (into @ tiles).view(len(into), -1, inputs)
