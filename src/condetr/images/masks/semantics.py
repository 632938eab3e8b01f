"""From the network's logits and masks to one class for every pixel."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from condetr.core.shapes import Logits
from condetr.images.masks.bands import bands
from condetr.images.masks.segmenting import sizes_of
from condetr.images.scoring import check_finite
from condetr.images.sizes import HeightWidth


class Semantics(NamedTuple):
    """Attributes: the class id of every pixel; the score of every class there, where asked for."""

    map: Int64[Tensor, "_height _width"]
    scores: Float[Tensor, "_classes _height _width"] | None = None


def semantics_of(
    logits: Logits,
    masks: Float[Tensor, "batch queries rows columns"],
    sizes: Sequence[HeightWidth] | None = None,
    *,
    scores: bool = False,
) -> list[Semantics]:
    """The class with the highest score at each pixel: class scores times mask probabilities, summed over the queries.

    Args:
        logits: of every query and class.
        masks: before the sigmoid.
        sizes: (height, width) of each image; None: that of the masks.
        scores: whether to give the scores of all classes, too, which are as many planes of the image's size.

    Raises:
        ModelError: a value is not finite.
        UsageError: not one size an image.
    """
    sizes = sizes_of(sizes, masks)
    check_finite(logits, "logits")
    check_finite(masks, "masks")
    found = []
    for of_classes, of_masks, size in zip(logits, masks, sizes, strict=True):
        planes = torch.einsum("qc,qhw->chw", of_classes.float().sigmoid(), of_masks.float().sigmoid())
        found.append(_best(planes, size, scores=scores))
    return found


def _best(planes: Float[Tensor, "classes rows columns"], size: HeightWidth, *, scores: bool) -> Semantics:
    best = torch.empty(size, dtype=torch.int64, device=planes.device)
    every = planes.new_empty((len(planes), *size)) if scores else None
    for part, band in bands(planes, size):
        best[part] = band.max(dim=0).indices
        if every is not None:
            every[:, part] = band
    return Semantics(best, every)
