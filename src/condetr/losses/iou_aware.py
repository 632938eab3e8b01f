"""IoU-aware classification: a matched query shall score as high as its box is good."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import softplus

LEAST = 0.01  # target of a matched query, so that one with a bad box still learns its class


def iou_aware_losses(
    logits: Float[Tensor, "layers batch queries classes"],
    positives: tuple[Int64[Tensor, "..."], ...],
    ious: Float[Tensor, "layers matches"],
    exponent: float,
) -> Float[Tensor, "layers"]:
    """The summed IA-BCE loss of each decoder layer (Align-DETR, Cai et al. 2023).

    With the score s of a matched query, the IoU u of its box and an exponent x::

        target            t = max(s^(1 - x) * u^x, 0.01), without gradient
        matched scores    BCE(s, t)
        all others        s^2 * BCE(s, 0)

    Args:
        logits: scores before the sigmoid.
        positives: layer, image, query and class of the scores that are matched.
        ious: of each matched box and its object.
        exponent: from 0 to 1; Align-DETR's is 0.75 (there called 1 - alpha), and with 1 the target is the IoU
            itself, as in VarifocalNet (Zhang et al. 2021).
    """
    losses = logits.sigmoid().square() * softplus(logits)
    matched = logits[positives]
    with torch.no_grad():
        quality = (matched.sigmoid() ** (1 - exponent) * ious**exponent).clamp(min=LEAST)
    return losses.index_put(positives, softplus(matched) - quality * matched).sum((1, 2, 3))
