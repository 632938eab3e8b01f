"""The three transforms of a Winograd convolution, from its interpolation points.

Both polynomials are evaluated at the points, multiplied there, and interpolated; transposed, that is a convolution. The
points 0, 1, -1, 1/2, -2 and infinity lose the fewest digits (Barabasz et al. 2020).
"""

from typing import NamedTuple

import torch
from jaxtyping import Float64
from torch import Tensor

POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)  # and infinity
OUT, KERNEL, TILE = 4, 3, 6


class Transforms(NamedTuple):
    """In one dimension: output = ``out`` (``kernel`` weights * ``tile`` pixels)."""

    kernel: Float64[Tensor, "6 3"]
    tile: Float64[Tensor, "6 6"]
    out: Float64[Tensor, "4 6"]


def transforms() -> Transforms:
    without_one = [_product_of(POINTS[:number] + POINTS[number + 1 :]) for number in range(len(POINTS))]
    tile = torch.stack([*without_one, _product_of(POINTS)])
    at_own_point = torch.cat(((tile * _evaluation(TILE)).sum(1)[:-1], torch.ones(1)))
    return Transforms(_evaluation(KERNEL) / at_own_point[:, None], tile, _evaluation(OUT).t())


def _evaluation(terms: int) -> Float64[Tensor, "6 {terms}"]:
    """The powers of each point; at infinity only the highest counts."""
    powers = torch.tensor(POINTS, dtype=torch.double)[:, None] ** torch.arange(terms)
    return torch.cat((powers, torch.eye(terms, dtype=torch.double)[-1:]))


def _product_of(roots: tuple[float, ...]) -> Float64[Tensor, "6"]:
    """The coefficients of (x - root) (x - root) ..., lowest first."""
    coefficients = torch.zeros(TILE, dtype=torch.double)
    coefficients[0] = 1
    for root in roots:
        coefficients = coefficients.roll(1) - root * coefficients
    return coefficients
