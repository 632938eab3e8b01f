"""Two numbers that say how training gets on; they are logged and teach nothing."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor


@torch.no_grad()
def cardinality_errors(
    logits: Float[Tensor, "layers batch queries classes"], counts: tuple[int, ...]
) -> Float[Tensor, "layers"]:
    """How far the number of queries with a score above 0.5 is from the number of objects, averaged over images."""
    confident = (logits.amax(-1) > 0).sum(-1)  # the sigmoid passes 0.5 at 0
    return (confident - torch.tensor(counts, device=logits.device)).abs().to(logits.dtype).mean(-1)


@torch.no_grad()
def class_error(logits: Float[Tensor, "matches classes"], labels: Int64[Tensor, "matches"]) -> Float[Tensor, ""]:
    """Per cent of the matched queries whose best class is not their object's; 100 of none, as the authors log it."""
    right = (logits.argmax(-1) == labels).sum().to(logits.dtype)
    return 100 - 100 * right / max(len(labels), 1)
