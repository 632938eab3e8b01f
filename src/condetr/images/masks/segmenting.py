"""Panoptic segments from logits and masks: each pixel belongs to at most one query.

A query's mask covers the pixels where its probability reaches the mask threshold. Where several masks cover a pixel,
it belongs to the query with the highest score times probability. A segment that keeps too little of its mask is
dropped.
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
        id: the value of its pixels in the map, from 1.
        label: class id.
        score: sigmoid of the logit; the highest of fused queries.
        is_fused: whether all queries of its class form one segment.
    """

    id: int
    label: int
    score: float
    is_fused: bool


class Segmented(NamedTuple):
    """The segments of one image.

    Attributes:
        map: segment id of each pixel; 0 is none.
        segments: in the order of their queries; ids count from 1 without gaps.
        above_threshold: number of queries that score above the threshold, also those whose segment is dropped.
    """

    map: Int32[Tensor, "_height _width"]
    segments: tuple[Segment, ...]
    above_threshold: int


class Thresholds(NamedTuple):
    """Thresholds of segments.

    Attributes:
        score: the score of a query must exceed it.
        mask: the probability of a covered pixel must reach it.
        overlap: the fraction of a mask that remains when each pixel belongs to one query must exceed it.
    """

    score: float = 0.5
    mask: float = 0.5
    overlap: float = 0.8


def segments_of(
    logits: Logits,
    masks: Float[Tensor, "batch queries rows columns"],
    sizes: Sequence[HeightWidth] | None = None,
    *,
    thresholds: Thresholds = Thresholds(),  # noqa: B008  immutable
    fused: Collection[int] = (),
    real: Sequence[tuple[float, float]] | None = None,
) -> list[Segmented]:
    """The segments of each image.

    Args:
        logits: of every query and class.
        masks: logits.
        sizes: (height, width) of each image; None: the size of the masks.
        thresholds: of scores, masks and overlap.
        fused: class ids with at most one segment per image, such as sky.
        real: fraction of the mask's rows and columns that shows each image; the rest is padding.

    Raises:
        ModelError: a value is not finite.
        UsageError: not one size per image.
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
    """The given sizes, or those of the masks.

    Raises:
        UsageError: not one size per image.
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
    """The segments of one image, from all or some of its queries."""
    scores, labels = logits.float().sigmoid().max(dim=1)
    above = scores > thresholds.score
    scores, labels = scores[above], labels[above]
    count = len(scores)
    if not count:
        return Segmented(torch.zeros(size, dtype=torch.int32, device=masks.device), (), 0)
    groups = _groups(labels, fused)
    owners, covered = _claimed(masks[above].float().sigmoid(), scores, groups, size, real, thresholds.mask)
    left = torch.bincount(owners.flatten(), minlength=count + 1)[1:]
    survives = (left > 0) & (left > thresholds.overlap * covered)
    survivors = survives.nonzero()[:, 0].tolist()
    ids = torch.zeros(count + 1, dtype=torch.int32, device=masks.device)
    ids[1:][survives] = torch.arange(1, len(survivors) + 1, dtype=torch.int32, device=masks.device)
    best = torch.zeros_like(scores).scatter_reduce(0, groups, scores, "amax").tolist()
    classes = labels.tolist()
    segments = tuple(
        Segment(number, classes[group], best[group], classes[group] in fused)
        for number, group in enumerate(survivors, 1)
    )
    return Segmented(ids[owners], segments, count)


def _groups(labels: Int64[Tensor, "queries"], fused: Collection[int]) -> Int64[Tensor, "queries"]:
    """The group of each query: the first query of its class if that is fused, else the query itself."""
    first: dict[int, int] = {}
    queries = enumerate(labels.tolist())
    return torch.tensor(
        [first.setdefault(label, query) if label in fused else query for query, label in queries], device=labels.device
    )


def _claimed(
    probabilities: Float[Tensor, "queries rows columns"],
    scores: Float[Tensor, "queries"],
    groups: Int64[Tensor, "queries"],
    size: HeightWidth,
    real: tuple[float, float],
    threshold: float,
) -> tuple[Int32[Tensor, "height width"], Int64[Tensor, "queries"]]:
    """The group of each pixel, from 1 (0: none), and how many pixels each group covers."""
    claimed = torch.empty(size, dtype=torch.int32, device=scores.device)
    covered = torch.zeros_like(groups)
    number = (groups + 1).int()
    fused = [(group, members) for group, members in _members(groups) if len(members) > 1]
    for rows, band in bands(probabilities, size, real=real):
        covers = band >= threshold
        best, owner = torch.where(covers, band * scores[:, None, None], -1).max(dim=0)
        claimed[rows] = number[owner].masked_fill_(best < 0, 0)
        covered += torch.count_nonzero(covers, dim=(1, 2))
        for group, members in fused:
            covered[group] += covers[members].any(dim=0).sum() - covers[group].sum()
    return claimed, covered


def _members(groups: Int64[Tensor, "queries"]) -> list[tuple[int, list[int]]]:
    members: dict[int, list[int]] = {}
    for query, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(query)
    return list(members.items())
