"""Two metrics of training that are logged and have no gradient."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor


@torch.no_grad()
def cardinality_errors(
    logits: Float[Tensor, "layers batch queries classes"], counts: tuple[int, ...]
) -> Float[Tensor, "layers"]:
    """Absolute difference between the numbers of queries that score above 0.5 and of objects, averaged over images."""
    confident = (logits.amax(-1) > 0).sum(-1)  # sigmoid(0) is 0.5
    return (confident - torch.tensor(counts, device=logits.device)).abs().to(logits.dtype).mean(-1)


@torch.no_grad()
def class_error(logits: Float[Tensor, "matches classes"], labels: Int64[Tensor, "matches"]) -> Float[Tensor, ""]:
    """Percentage of matched queries whose best class is wrong; 100 if nothing is matched, as in the authors' logs."""
    correct = (logits.argmax(-1) == labels).sum().to(logits.dtype)
    return 100 - 100 * correct / max(len(labels), 1)
