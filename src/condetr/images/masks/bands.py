"""Mask planes of the network at the size of the image, a few rows at a time.

Three hundred masks of an image of twelve megapixels are fourteen gigabytes; a band of them is a few megabytes.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from condetr.images.sizes import HeightWidth

_VALUES = 2**20  # of a band: what the processor's cache holds, and a graphics card still finds worth its while


def bands(
    planes: Float[Tensor, "queries rows columns"],
    size: HeightWidth,
    *,
    real: tuple[float, float] = (1.0, 1.0),
) -> Iterator[tuple[slice, Float[Tensor, "queries band width"]]]:
    """Bilinear, as ``interpolate(..., align_corners=False)`` has it: which rows of the image, and their values.

    Without queries there is no band.

    Args:
        planes: what the network says, at its stride.
        size: (height, width) of the image.
        real: which share of the rows and columns shows the image; the rest is padding, at the bottom and right.
    """
    height, width = size
    queries, rows, columns = planes.shape
    if not queries:
        return
    same = tuple(planes.shape[1:]) == size and real == (1.0, 1.0)
    band = max(1, _VALUES // max(1, queries * width))
    for start in range(0, height, band):
        part = slice(start, min(start + band, height))
        if same:
            yield part, planes[:, part]
            continue
        down = _interpolated_rows(planes, part, rows * real[0] / height)
        yield part, _interpolated_columns(down, width, columns * real[1] / width)


def _interpolated_rows(
    planes: Float[Tensor, "queries rows columns"], part: slice, step: float
) -> Float[Tensor, "queries band columns"]:
    places = torch.arange(part.start, part.stop, device=planes.device, dtype=torch.float64)
    exact = ((places + 0.5) * step - 0.5).clamp(min=0)
    above = exact.long().clamp(max=planes.shape[1] - 1)
    below = (above + 1).clamp(max=planes.shape[1] - 1)
    share = (exact - above).to(planes.dtype)[:, None]
    return torch.lerp(planes[:, above], planes[:, below], share)


def _interpolated_columns(
    planes: Float[Tensor, "queries band columns"], width: int, step: float
) -> Float[Tensor, "queries band width"]:
    """Where part of the columns is padding, all are enlarged alike, and those of the image kept."""
    if step * width == planes.shape[2]:
        return interpolate(planes[None], size=(planes.shape[1], width), mode="bilinear")[0]
    needed = planes[..., : int(step * width) + 2]
    while int(needed.shape[2] / step) < width:  # the last cell stands for all that is beyond it
        needed = torch.cat((needed, needed[..., -1:]), dim=2)
    return interpolate(needed[None], scale_factor=(1.0, 1 / step), mode="bilinear")[0, ..., :width]
