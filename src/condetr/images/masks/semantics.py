"""Semantic segmentation from logits and masks: one class per pixel."""

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
    """``map``: class id of each pixel; ``scores``: of every class at each pixel, if requested."""

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
        masks: logits.
        sizes: (height, width) of each image; None: the size of the masks.
        scores: also return the scores of all classes, one plane of the image's size each.

    Raises:
        ModelError: a value is not finite.
        UsageError: not one size per image.
    """
    sizes = sizes_of(sizes, masks)
    check_finite(logits, "logits")
    check_finite(masks, "masks")
    results = []
    for class_logits, mask_logits, size in zip(logits, masks, sizes, strict=True):
        planes = torch.einsum("qc,qhw->chw", class_logits.float().sigmoid(), mask_logits.float().sigmoid())
        results.append(_best(planes, size, scores=scores))
    return results


def _best(planes: Float[Tensor, "classes rows columns"], size: HeightWidth, *, scores: bool) -> Semantics:
    best = torch.empty(size, dtype=torch.int64, device=planes.device)
    every = planes.new_empty((len(planes), *size)) if scores else None
    for rows, band in bands(planes, size):
        best[rows] = band.max(dim=0).indices
        if every is not None:
            every[:, rows] = band
    return Semantics(best, every)
