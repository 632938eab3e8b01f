"""A 3x3 convolution that learns, by Winograd's products, and its gradients by the same products and their adjoint.

Between the transforms all three are 36 products: of pixels and weights, of gradients and weights turned around, and,
for the gradient of the weight, of pixels and gradients, summed over all tiles; see `condetr.speed.winograd.tiles`.
"""

from functools import cache

import torch
from torch.nn.functional import pad

from condetr.core.shapes import FeatureMap
from condetr.speed.training.cell_products import Pace, Weight
from condetr.speed.winograd.convolution import FEWEST_CHANNELS
from condetr.speed.winograd.tiles import Matrices, TileGrid, matrices
from condetr.speed.winograd.transforms import OUT

TILES_A_CHANNEL = 1 / 8  # with fewer, reading the transformed weight takes what the products save
FEWEST_FOR_WEIGHT, TILES_FOR_WEIGHT = 64, 1 / 16  # torch's own kernel is at half the speed of its others there


@cache
def _transform() -> Matrices:
    return Matrices(*(one.float() for one in matrices()))


def is_tile_product(x: FeatureMap, weight: Weight, pace: Pace, *, of_weight: bool = False) -> bool:
    """Whether this gains, for a map or for the gradient of the weight.

    It does in single precision on a CPU, where there are channels and tiles enough.
    """
    usual = pace == Pace((1, 1), (1, 1), (1, 1)) and tuple(weight.shape[2:]) == (3, 3)
    plain = x.device.type == "cpu" and x.dtype == torch.float32
    batch, channels, height, width = x.shape
    tiles = batch * -(-height // OUT) * -(-width // OUT)
    fewest, share = (FEWEST_FOR_WEIGHT, TILES_FOR_WEIGHT) if of_weight else (FEWEST_CHANNELS, TILES_A_CHANNEL)
    return usual and plain and min(weight.shape[:2]) >= fewest and tiles >= share * channels


def convolved(x: FeatureMap, weight: Weight) -> FeatureMap:
    """What ``conv2d(x, weight, padding=1)`` gives."""
    places = _transform().kernel @ weight.permute(2, 3, 1, 0).reshape(9, -1)
    return TileGrid(x).convolved(places.unflatten(1, (weight.shape[1], -1)), _transform())


def gradient_of_input(gradient: FeatureMap, weight: Weight) -> FeatureMap:
    """It is convolved with the weight turned around: what meets its last place is what usually meets the first."""
    places = _transform().kernel.flip(1) @ weight.permute(2, 3, 0, 1).reshape(9, -1)
    return TileGrid(gradient).convolved(places.unflatten(1, (len(weight), -1)), _transform())


def gradient_of_weight(gradient: FeatureMap, x: FeatureMap) -> Weight:
    (batch, outputs, height, width), inputs = gradient.shape, x.shape[1]
    transform, grid = _transform(), TileGrid(x)
    margins = 0, 0, 0, OUT * grid.across - width, 0, OUT * grid.down - height
    parts = pad(gradient.permute(0, 2, 3, 1), margins).view(batch, grid.down, OUT, grid.across, OUT, outputs)
    summed = x.new_empty(len(transform.into), inputs, outputs)
    for rows, tiles in grid.transformed(transform, outputs):
        part = parts[:, rows.start : rows.stop].permute(2, 4, 0, 1, 3, 5).reshape(OUT * OUT, -1)
        spread = (transform.back.t() @ part).view(len(summed), -1, outputs)
        summed.baddbmm_(tiles.transpose(1, 2), spread, beta=int(rows.start > 0))
    found = transform.kernel.t() @ summed.flatten(1)
    return found.view(3, 3, inputs, outputs).permute(3, 2, 0, 1)
