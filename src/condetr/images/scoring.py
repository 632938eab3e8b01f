"""From the network's logits and boxes to scored boxes: the best pairs of a query and a class, per picture."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from condetr.core.boxes import cxcywh_to_xyxy
from condetr.core.errors import ModelError, UsageError
from condetr.core.shapes import Boxes, Logits
from condetr.images.sizes import HeightWidth


class Scored(NamedTuple):
    """The detections of one picture, best first.

    Attributes:
        scores: sigmoid of the logits.
        labels: class ids.
        boxes: (x1, y1, x2, y2); pixels where a size was given, else relative to the picture.
        queries: which object query each came from; one query may answer for several classes.
    """

    scores: Float[Tensor, "detections"]
    labels: Int64[Tensor, "detections"]
    boxes: Float[Tensor, "detections 4"]
    queries: Int64[Tensor, "detections"]


def detections_of(
    logits: Logits,
    boxes: Boxes,
    sizes: Sequence[HeightWidth] | Tensor | None = None,
    *,
    threshold: float | int = 0.5,
    top_k: int = 100,
) -> list[Scored]:
    """The ``top_k`` best (query, class) pairs of each picture that score above ``threshold``.

    With ``sizes``, the (height, width) of each picture, boxes are in its pixels.

    Raises:
        ModelError: a logit or box is not finite.
        UsageError: not one size a picture, or ``top_k`` below 1.
    """
    if sizes is not None and len(sizes) != len(logits):
        raise UsageError(f"{len(sizes)} sizes for {len(logits)} pictures", item="target_sizes")
    if top_k < 1:
        raise UsageError(f"is {top_k}, expected at least 1", item="top_k")
    _check_finite(logits, "logits")
    _check_finite(boxes, "boxes")
    batch, queries, classes = logits.shape
    best, pairs = logits.reshape(batch, -1).topk(min(top_k, queries * classes), dim=1)
    scores = best.sigmoid()  # after the selection: the order is the same, the pairs are few
    chosen, labels = pairs // classes, pairs % classes
    xyxy = cxcywh_to_xyxy(boxes.gather(1, chosen[..., None].expand(-1, -1, 4)))
    if sizes is not None:
        height, width = torch.as_tensor(sizes, device=boxes.device).unbind(1)
        xyxy = xyxy * torch.stack((width, height, width, height), dim=1)[:, None].to(xyxy.dtype)
    above = (scores > threshold).sum(1).tolist()  # scores fall, so these are the first
    return [Scored(scores[i, :n], labels[i, :n], xyxy[i, :n], chosen[i, :n]) for i, n in enumerate(above)]


def _check_finite(values: Tensor, name: str) -> None:
    if not values.sum(dtype=torch.float32).isfinite() and not values.isfinite().all():
        broken = int((~values.isfinite()).sum())
        reason = f"{broken} of {values.numel()} values are not finite; the weights or the input are broken"
        raise ModelError(reason, item=name, hint="check the checkpoint, or run in float32")
