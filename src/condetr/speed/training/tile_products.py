"""A trainable 3x3 Winograd convolution; its gradients use the same matrix products and their adjoint.

Between the transforms all three are 36 products: of pixels and weights, of gradients and flipped weights, and, for the
gradient of the weight, of pixels and gradients, summed over all tiles; see `condetr.speed.winograd.tiles`.
"""

from functools import cache

import torch
from torch.nn.functional import pad

from condetr.core.shapes import FeatureMap
from condetr.speed.convolution import ConvGeometry, Kernel
from condetr.speed.winograd.convolution import MIN_CHANNELS
from condetr.speed.winograd.tiles import Matrices, TileGrid, matrices
from condetr.speed.winograd.transforms import OUT

MIN_TILES_PER_CHANNEL = 1 / 8  # with fewer, reading the transformed weight costs what the products save
MIN_FOR_WEIGHT, MIN_TILES_FOR_WEIGHT = 64, 1 / 16  # torch's weight gradient runs at half the speed of its other kernels


@cache
def _transform() -> Matrices:
    return Matrices(*(matrix.float() for matrix in matrices()))


def is_tile_product(x: FeatureMap, weight: Kernel, geometry: ConvGeometry, *, of_weight: bool = False) -> bool:
    """Whether this is faster, for a map or for the gradient of the weight.

    It is in single precision on a CPU, with enough channels and tiles.
    """
    fits = geometry == ConvGeometry((1, 1), (1, 1), (1, 1)) and tuple(weight.shape[2:]) == (3, 3)
    on_cpu = x.device.type == "cpu" and x.dtype == torch.float32
    batch, channels, height, width = x.shape
    tiles = batch * -(-height // OUT) * -(-width // OUT)
    least, share = (MIN_FOR_WEIGHT, MIN_TILES_FOR_WEIGHT) if of_weight else (MIN_CHANNELS, MIN_TILES_PER_CHANNEL)
    return fits and on_cpu and min(weight.shape[:2]) >= least and tiles >= share * channels


def convolved(x: FeatureMap, weight: Kernel) -> FeatureMap:
    """``conv2d(x, weight, padding=1)``."""
    products = _transform().kernel @ weight.permute(2, 3, 1, 0).reshape(9, -1)
    return TileGrid(x).convolved(products.unflatten(1, (weight.shape[1], -1)), _transform())


def gradient_of_input(gradient: FeatureMap, weight: Kernel) -> FeatureMap:
    """The gradient convolved with the flipped weight."""
    products = _transform().kernel.flip(1) @ weight.permute(2, 3, 0, 1).reshape(9, -1)
    return TileGrid(gradient).convolved(products.unflatten(1, (len(weight), -1)), _transform())


def gradient_of_weight(gradient: FeatureMap, x: FeatureMap) -> Kernel:
    (batch, outputs, height, width), inputs = gradient.shape, x.shape[1]
    transform, grid = _transform(), TileGrid(x)
    margins = 0, 0, 0, OUT * grid.across - width, 0, OUT * grid.down - height
    parts = pad(gradient.permute(0, 2, 3, 1), margins).view(batch, grid.down, OUT, grid.across, OUT, outputs)
    summed = x.new_empty(len(transform.into), inputs, outputs)
    for rows, tiles in grid.transformed(transform, outputs):
        part = parts[:, rows.start : rows.stop].permute(2, 4, 0, 1, 3, 5).reshape(OUT * OUT, -1)
        spread = (transform.back.t() @ part).view(len(summed), -1, outputs)
        summed.baddbmm_(tiles.transpose(1, 2), spread, beta=int(rows.start > 0))
    weight_gradient = transform.kernel.t() @ summed.flatten(1)
    return weight_gradient.view(3, 3, inputs, outputs).permute(3, 2, 0, 1)
