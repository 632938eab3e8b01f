"""Focal loss of the class scores of all queries, most of which have no object."""

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
        positives: layer, image, query and class of the scores whose target is 1; that of all others is 0.
        alpha: weight of the positives; that of the negatives is `1 - alpha`.
    """
    # A positive has the loss of a negative with the opposite sign: one formula for both.
    errors = logits.index_put(positives, -logits[positives])
    losses = errors.sigmoid().square() * softplus(errors)
    return (1 - alpha) * losses.sum((1, 2, 3)) + (2 * alpha - 1) * losses[positives].sum(-1)
