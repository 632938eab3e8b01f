"""From the network's logits and masks to segments: every pixel to one query at most, or to none.

A query's mask covers the pixels where its probability reaches the mask threshold. Where several cover a pixel, it
belongs to the one with the highest score times probability. A segment that others leave too little of is dropped.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int32, Int64
from torch import Tensor

from condetr.core.errors import UsageError
from condetr.core.shapes import Logits
from condetr.images.masks.bands import bands
from condetr.images.scoring import check_finite
from condetr.images.sizes import HeightWidth


class Segment(NamedTuple):
    """One region of an image.

    Attributes:
        id: what its pixels say in the map, from 1.
        label: class id.
        score: sigmoid of the logit; of fused queries, the highest.
        is_fused: whether all queries of its class are one segment.
    """

    id: int
    label: int
    score: float
    is_fused: bool


class Segmented(NamedTuple):
    """The segments of one image.

    Attributes:
        map: which segment each pixel belongs to; 0 is none.
        segments: in the order of their queries; ids count from 1 without gaps.
        kept: how many queries scored above the threshold, whatever became of their masks.
    """

    map: Int32[Tensor, "_height _width"]
    segments: tuple[Segment, ...]
    kept: int


class Thresholds(NamedTuple):
    """What must be exceeded.

    Attributes:
        score: by the score of a query.
        mask: reached by the probability of a pixel to be covered.
        overlap: by the share of a covered area that is left when every pixel belongs to one query.
    """

    score: float = 0.5
    mask: float = 0.5
    overlap: float = 0.8


def segments_of(
    logits: Logits,
    masks: Float[Tensor, "batch queries rows columns"],
    sizes: Sequence[HeightWidth] | None = None,
    *,
    thresholds: Thresholds = Thresholds(),  # noqa: B008  it cannot change
    fused: Collection[int] = (),
    real: Sequence[tuple[float, float]] | None = None,
) -> list[Segmented]:
    """The segments of each image.

    Args:
        logits: of every query and class.
        masks: before the sigmoid.
        sizes: (height, width) of each image; None: that of the masks.
        thresholds: what must be exceeded.
        fused: class ids of which an image has one segment at most, such as sky.
        real: share of the mask's rows and columns that shows each image, where images were padded.

    Raises:
        ModelError: a value is not finite.
        UsageError: not one size an image.
    """
    sizes = sizes_of(sizes, masks)
    check_finite(logits, "logits")
    check_finite(masks, "masks")
    shares = [(1.0, 1.0)] * len(masks) if real is None else real
    return [
        segmented(*image, thresholds=thresholds, fused=frozenset(fused))
        for image in zip(logits, masks, sizes, shares, strict=True)
    ]


def sizes_of(
    sizes: Sequence[HeightWidth] | None, masks: Float[Tensor, "batch queries rows columns"]
) -> Sequence[HeightWidth]:
    """The sizes themselves, or those of the masks.

    Raises:
        UsageError: not one size an image.
    """
    batch, _, rows, columns = masks.shape
    if sizes is None:
        return [(rows, columns)] * batch
    if len(sizes) != batch:
        raise UsageError(f"{len(sizes)} sizes for {batch} images", item="target_sizes")
    return sizes


def segmented(
    logits: Float[Tensor, "queries classes"],
    masks: Float[Tensor, "queries rows columns"],
    size: HeightWidth,
    real: tuple[float, float] = (1.0, 1.0),
    *,
    thresholds: Thresholds,
    fused: Collection[int],
) -> Segmented:
    """The same for one image, perhaps for some of its queries only."""
    scores, labels = logits.float().sigmoid().max(dim=1)
    kept = scores > thresholds.score
    scores, labels = scores[kept], labels[kept]
    count = len(scores)
    if not count:
        return Segmented(torch.zeros(size, dtype=torch.int32, device=masks.device), (), 0)
    groups = _groups(labels, fused)
    places, covered = _claimed(masks[kept].float().sigmoid(), scores, groups, size, real, thresholds.mask)
    left = torch.bincount(places.flatten(), minlength=count + 1)[1:]
    survives = (left > 0) & (left > thresholds.overlap * covered)
    survivors = survives.nonzero()[:, 0].tolist()
    ids = torch.zeros(count + 1, dtype=torch.int32, device=masks.device)
    ids[1:][survives] = torch.arange(1, len(survivors) + 1, dtype=torch.int32, device=masks.device)
    best = torch.zeros_like(scores).scatter_reduce(0, groups, scores, "amax").tolist()
    said = labels.tolist()
    segments = tuple(
        Segment(number, said[group], best[group], said[group] in fused) for number, group in enumerate(survivors, 1)
    )
    return Segmented(ids[places], segments, count)


def _groups(labels: Int64[Tensor, "queries"], fused: Collection[int]) -> Int64[Tensor, "queries"]:
    """The first query of each fused class stands for all of it; every other query for itself."""
    first: dict[int, int] = {}
    said = enumerate(labels.tolist())
    return torch.tensor(
        [first.setdefault(label, place) if label in fused else place for place, label in said], device=labels.device
    )


def _claimed(
    probabilities: Float[Tensor, "queries rows columns"],
    scores: Float[Tensor, "queries"],
    groups: Int64[Tensor, "queries"],
    size: HeightWidth,
    real: tuple[float, float],
    threshold: float,
) -> tuple[Int32[Tensor, "height width"], Int64[Tensor, "queries"]]:
    """Which group each pixel belongs to, from 1, and how many pixels every group covers."""
    claimed = torch.empty(size, dtype=torch.int32, device=scores.device)
    covered = torch.zeros_like(groups)
    number = (groups + 1).int()
    several = [(group, members) for group, members in _members(groups) if len(members) > 1]
    for part, band in bands(probabilities, size, real=real):
        covers = band >= threshold
        best, owner = torch.where(covers, band * scores[:, None, None], -1).max(dim=0)
        claimed[part] = number[owner].masked_fill_(best < 0, 0)
        covered += torch.count_nonzero(covers, dim=(1, 2))
        for group, members in several:
            covered[group] += covers[members].any(dim=0).sum() - covers[group].sum()
    return claimed, covered


def _members(groups: Int64[Tensor, "queries"]) -> list[tuple[int, list[int]]]:
    members: dict[int, list[int]] = {}
    for query, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(query)
    return list(members.items())
