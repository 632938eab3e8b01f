"""From logits and boxes to scored boxes: the best (query, class) pairs of each image."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from condetr.core.boxes import cxcywh_to_xyxy
from condetr.core.errors import ModelError, UsageError
from condetr.core.shapes import Boxes, Logits


class Scored(NamedTuple):
    """The detections of one image, best first.

    Attributes:
        scores: sigmoid of the logits.
        labels: class ids.
        boxes: (x1, y1, x2, y2); in pixels if sizes were given, else relative to the image.
        queries: the object query of each detection; one query may have several classes.
    """

    scores: Float[Tensor, "detections"]
    labels: Int64[Tensor, "detections"]
    boxes: Float[Tensor, "detections 4"]
    queries: Int64[Tensor, "detections"]


def detections_of(
    logits: Logits,
    boxes: Boxes,
    sizes: Sequence[Sequence[int | float]] | Tensor | None = None,
    *,
    threshold: float | int = 0.5,
    top_k: int = 100,
) -> list[Scored]:
    """The ``top_k`` best (query, class) pairs of each image that score above ``threshold``.

    With ``sizes``, the (height, width) of each image, boxes are in its pixels.

    Raises:
        ModelError: a logit or box is not finite.
        UsageError: not one size per image, or ``top_k`` below 1.
    """
    batch = len(logits)
    pixels = None if sizes is None else _scale(sizes).to(boxes.device)
    if pixels is not None and len(pixels) != batch:
        raise UsageError(f"{len(pixels)} sizes for {batch} images", item="target_sizes")
    if top_k < 1:
        raise UsageError(f"is {top_k}, expected at least 1", item="top_k")
    check_finite(logits, "logits")
    check_finite(boxes, "boxes")
    scores, labels, xyxy, chosen = best_pairs(logits, boxes, top_k)
    if pixels is not None:
        xyxy = xyxy * pixels
    above = (scores > threshold).sum(1).tolist()  # scores are sorted, so these are the first
    rows = zip(scores, labels, xyxy, chosen, above, strict=True)
    return [Scored(score[:n], label[:n], box[:n], query[:n]) for score, label, box, query, n in rows]


def best_pairs(
    logits: Logits, boxes: Boxes, top_k: int
) -> tuple[
    Float[Tensor, "batch best"],
    Int64[Tensor, "batch best"],
    Float[Tensor, "batch best 4"],
    Int64[Tensor, "batch best"],
]:
    """Scores, labels, boxes (x1, y1, x2, y2) relative to the image, and queries of the best pairs, best first."""
    queries, classes = logits.shape[1:]
    best, pairs = logits.flatten(1).topk(min(top_k, queries * classes))
    scores = _precise(best).sigmoid()  # after topk: the order is the same, and there are few
    chosen, labels = pairs // classes, pairs % classes
    return scores, labels, cxcywh_to_xyxy(_precise(boxes.gather(1, chosen[..., None].expand(-1, -1, 4)))), chosen


def _scale(sizes: Sequence[Sequence[int | float]] | Tensor) -> Float[Tensor, "images 1 4"]:
    pairs = sizes.tolist() if isinstance(sizes, Tensor) else sizes
    scale = [(width, height, width, height) for height, width in pairs]
    return torch.tensor(scale, dtype=torch.float32).reshape(-1, 1, 4)


def _precise(values: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """In float32 at least: half precision cannot represent every pixel of a large image."""
    return values.float() if values.itemsize < 4 else values


def check_finite(values: Tensor, name: str) -> None:
    """Raises ModelError where a value is not finite, so that the output is meaningless."""
    if math.isfinite(values.sum(dtype=torch.float32).item()):  # one non-finite value makes the sum non-finite
        return
    count = int((~values.isfinite()).sum())
    if count:
        reason = f"{count} of {values.numel()} values are not finite; the weights or the input are invalid"
        raise ModelError(reason, item=name, hint="check the checkpoint, or run in float32")
