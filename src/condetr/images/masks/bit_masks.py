"""From the network's masks to one bit map per query, at the size of the image; they may overlap."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from condetr.images.masks.bands import bands
from condetr.images.sizes import HeightWidth


def bit_masks(
    masks: Float[Tensor, "queries rows columns"],
    size: HeightWidth,
    *,
    threshold: float = 0.5,
    real: tuple[float, float] = (1.0, 1.0),
) -> Bool[Tensor, "queries height width"]:
    """Where the probability of each mask, given before the sigmoid, reaches the threshold.

    Args:
        masks: at the stride of the network.
        size: (height, width) of the image.
        threshold: of a probability.
        real: share of the rows and columns that shows the image, where it was padded.
    """
    inside = torch.empty((len(masks), *size), dtype=torch.bool, device=masks.device)
    for part, band in bands(masks.float().sigmoid(), size, real=real):
        inside[:, part] = band >= threshold
    return inside
