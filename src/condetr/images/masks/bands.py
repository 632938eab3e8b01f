"""Mask logits of the network upsampled to the image, a band of rows at a time.

Three hundred masks of a 12-megapixel image take 14 GB; a band of them takes a few megabytes.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import interpolate

from condetr.images.sizes import HeightWidth

_VALUES = 2**20  # of a band: fits the processor's cache, and still keeps a GPU busy


def bit_masks(
    masks: Float[Tensor, "queries rows columns"],
    size: HeightWidth,
    *,
    threshold: float = 0.5,
    real: tuple[float, float] = (1.0, 1.0),
) -> Bool[Tensor, "queries height width"]:
    """Where the probability of each mask reaches the threshold. Masks may overlap.

    Args:
        masks: logits, at the stride of the network.
        size: (height, width) of the image.
        threshold: a probability.
        real: fraction of the rows and columns that shows the image; the rest is padding.
    """
    inside = torch.empty((len(masks), *size), dtype=torch.bool, device=masks.device)
    for rows, band in bands(masks.float().sigmoid(), size, real=real):
        inside[:, rows] = band >= threshold
    return inside


def bands(
    planes: Float[Tensor, "queries rows columns"],
    size: HeightWidth,
    *,
    real: tuple[float, float] = (1.0, 1.0),
) -> Iterator[tuple[slice, Float[Tensor, "queries band width"]]]:
    """Rows of the image and their values, bilinear as in ``interpolate(..., align_corners=False)``.

    Without queries there is no band.

    Args:
        planes: one per query, at the stride of the network.
        size: (height, width) of the image.
        real: fraction of the rows and columns that shows the image; the rest is padding, at the bottom and right.
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
    positions = torch.arange(part.start, part.stop, device=planes.device, dtype=torch.float64)
    exact = ((positions + 0.5) * step - 0.5).clamp(min=0)
    above = exact.long().clamp(max=planes.shape[1] - 1)
    below = (above + 1).clamp(max=planes.shape[1] - 1)
    weight = (exact - above).to(planes.dtype)[:, None]
    return torch.lerp(planes[:, above], planes[:, below], weight)


def _interpolated_columns(
    planes: Float[Tensor, "queries band columns"], width: int, step: float
) -> Float[Tensor, "queries band width"]:
    """With padding, all columns are upsampled by one factor and those of the image kept."""
    if step * width == planes.shape[2]:
        return interpolate(planes[None], size=(planes.shape[1], width), mode="bilinear")[0]
    needed = planes[..., : int(step * width) + 2]
    while int(needed.shape[2] / step) < width:  # beyond the last cell its value is repeated
        needed = torch.cat((needed, needed[..., -1:]), dim=2)
    return interpolate(needed[None], scale_factor=(1.0, 1 / step), mode="bilinear")[0, ..., :width]
