"""The set matching of DETR: the cheapest one-to-one assignment of queries to objects."""

from itertools import accumulate
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from condetr.core.errors import ModelError
from condetr.matching.costs import cost_matrices
from condetr.matching.matching_costs import MatchingCosts
from condetr.matching.objects import Objects


class Assignment(NamedTuple):
    """Which query is matched to which object, in each decoder layer; an image has as many matches in every layer.

    `objects` are indices within the image, in rising order. If an image has more objects than queries, some stay
    unmatched.
    """

    images: Int64[Tensor, "matches"]
    queries: Int64[Tensor, "layers matches"]
    objects: Int64[Tensor, "layers matches"]


@torch.no_grad()
def assign(
    logits: Float[Tensor, "layers batch queries classes"],
    boxes: Float[Tensor, "layers batch queries 4"],
    objects: Objects,
    costs: MatchingCosts,
) -> Assignment:
    """Raises ModelError if a prediction is not finite: there is no assignment then."""
    matrices = cost_matrices(logits, boxes, objects, costs)
    _reject_non_finite(logits, boxes, matrices)
    return _cheapest(matrices, objects.counts)


def _reject_non_finite(
    logits: Float[Tensor, "layers batch queries classes"],
    boxes: Float[Tensor, "layers batch queries 4"],
    matrices: Float[Tensor, "layers batch most_objects queries"],
) -> None:
    # A sum is finite only if every term is, and takes a tenth of the time of checking every term.
    sums = logits.sum((-2, -1)) + boxes.sum((-2, -1)) + matrices.sum((-2, -1))
    finite = sums.isfinite()
    if not finite.all():
        layer, image = (~finite).nonzero()[0].tolist()
        raise ModelError(
            "the predictions are not finite (NaN or infinite)",
            item=f"decoder layer {layer}, image {image}",
            hint="the weights have diverged or were damaged; a lower learning rate or clipping may help",
        )


def _cheapest(matrices: Float[Tensor, "layers batch most_objects queries"], counts: tuple[int, ...]) -> Assignment:
    sizes = [min(count, matrices.shape[-1]) for count in counts]
    ends = list(accumulate(sizes))
    pairs = torch.empty(2, len(matrices), ends[-1], dtype=torch.int64)
    for layer, layer_matrices in enumerate(matrices.cpu().numpy()):
        for matrix, count, size, end in zip(layer_matrices, counts, sizes, ends, strict=True):
            pairs.numpy()[:, layer, end - size : end] = linear_sum_assignment(matrix[:count])
    images = torch.arange(len(counts)).repeat_interleave(torch.tensor(sizes))
    objects, queries = pairs.to(matrices.device)
    return Assignment(images.to(matrices.device), queries, objects)
