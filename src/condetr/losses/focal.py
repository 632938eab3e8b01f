"""Focal loss: what the scores of every query cost, most of which should say that there is nothing."""

from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import softplus


def focal_losses(
    logits: Float[Tensor, "layers batch queries classes"],
    positives: tuple[Int64[Tensor, "..."], ...],
    alpha: float,
) -> Float[Tensor, "layers"]:
    """The summed focal loss of each decoder layer, gamma 2 (Lin et al. 2017, equation 5).

    Args:
        logits: scores before the sigmoid.
        positives: layer, image, query and class of the scores that should be high; all others should be low.
        alpha: weight of the positives against `1 - alpha` of the negatives.
    """
    # A score that should be high errs as its negation would that should be low: one formula for both.
    errors = logits.index_put(positives, -logits[positives])
    losses = errors.sigmoid().square() * softplus(errors)
    return (1 - alpha) * losses.sum((1, 2, 3)) + (2 * alpha - 1) * losses[positives].sum(-1)
