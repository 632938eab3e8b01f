"""The cost of matching a query to an object: DETR's equation 1, with the focal cost of Conditional DETR."""

import torch
from jaxtyping import Float
from torch import Tensor

from condetr.core.boxes import cxcywh_to_xyxy, generalized_iou
from condetr.matching.matching_costs import MatchingCosts
from condetr.matching.objects import Objects

# The authors match with this alpha, and gamma 2, whatever the loss uses; the floor keeps their logarithms finite.
ALPHA = 0.25
FLOOR = 1e-8
# A dozen intermediate numbers per pair: more pairs than this do not fit into the CPU cache and take twice the time.
PAIRS_AT_ONCE = 1 << 17


def cost_matrices(
    logits: Float[Tensor, "layers batch queries classes"],
    boxes: Float[Tensor, "layers batch queries 4"],
    objects: Objects,
    costs: MatchingCosts,
) -> Float[Tensor, "layers batch most_objects queries"]:
    """The cost of every pair within an image, in every decoder layer."""
    pairs_of_layer = objects.labels.numel() * boxes.shape[2]
    step = max(1, PAIRS_AT_ONCE // max(1, pairs_of_layer))
    return torch.cat(
        [_layer_matrices(*block, objects, costs) for block in zip(logits.split(step), boxes.split(step), strict=True)]
    )


def _layer_matrices(
    logits: Float[Tensor, "layers batch queries classes"],
    boxes: Float[Tensor, "layers batch queries 4"],
    objects: Objects,
    costs: MatchingCosts,
) -> Float[Tensor, "layers batch most_objects queries"]:
    targets = objects.boxes.expand(len(boxes), -1, -1, -1)
    return (
        costs.classes * _class_cost(logits, objects)
        + costs.boxes * torch.cdist(targets, boxes, p=1)
        - costs.giou * _pairwise_giou(targets, boxes)
    )


def _class_cost(
    logits: Float[Tensor, "layers batch queries classes"], objects: Objects
) -> Float[Tensor, "layers batch most_objects queries"]:
    """The change of the focal loss if this query were matched to the object: its class a positive, not a negative."""
    images = torch.arange(len(objects.counts), device=logits.device)[:, None]
    score = logits.transpose(-2, -1)[:, images, objects.labels].sigmoid()
    rest = 1 - score
    return (1 - ALPHA) * score.square() * (rest + FLOOR).log() - ALPHA * rest.square() * (score + FLOOR).log()


def _pairwise_giou(
    targets: Float[Tensor, "layers batch most_objects 4"], boxes: Float[Tensor, "layers batch queries 4"]
) -> Float[Tensor, "layers batch most_objects queries"]:
    targets, boxes = _by_coordinate(cxcywh_to_xyxy(targets)), _by_coordinate(cxcywh_to_xyxy(boxes))
    return generalized_iou(targets[..., :, None, :], boxes[..., None, :, :])


def _by_coordinate(boxes: Float[Tensor, "*axes 4"]) -> Float[Tensor, "*axes 4"]:
    """The same boxes with each coordinate contiguous in memory, which makes pairwise operations ten times faster."""
    return boxes.movedim(-1, 0).contiguous().movedim(0, -1)
