"""Losses of predictions per cell, of which several belong to one object and many to none."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import softplus

from condetr.core.boxes import cxcywh_to_xyxy, generalized_iou
from condetr.core.records import Prediction, Target
from condetr.losses.loss_weights import LossWeights


def dense_loss(
    prediction: Prediction,
    targets: Sequence[Target],
    numbers: Int64[Tensor, "batch cells"],
    objects: float,
    weights: LossWeights,
) -> Float[Tensor, ""]:
    """The set loss with cells for queries: focal loss, L1 and GIoU with their weights, over the number of objects.

    All cells of an object together count as much as one matched query does, so that large objects do not outweigh
    small ones.

    Args:
        prediction: of each cell.
        targets: of each image.
        numbers: index in its image of the object that a cell belongs to; -1: background; less: ignored.
        objects: divisor of the terms.
        weights: of the terms.
    """
    images, cells = (numbers >= 0).nonzero(as_tuple=True)
    ends = torch.tensor([len(target) for target in targets], device=numbers.device).cumsum(0)
    begins = torch.cat((ends.new_zeros(1), ends[:-1]))
    owners = begins[images] + numbers[images, cells]  # among the objects of all images
    labels = torch.cat([target.labels for target in targets]).to(numbers.device)[owners]
    boxes = torch.cat([target.boxes for target in targets]).to(prediction.boxes)[owners]
    shares = (1 / owners.bincount(minlength=int(ends[-1])))[owners].to(prediction.boxes)

    positives = images, cells, labels
    # A positive has the loss of a negative with the opposite sign: one formula for both.
    errors = prediction.logits.index_put(positives, -prediction.logits[positives])
    alphas = torch.full_like(errors, 1 - weights.alpha)
    alphas[positives] = weights.alpha
    focal = alphas * errors.sigmoid().square() * softplus(errors)
    counted = (numbers == -1).to(shares).index_put((images, cells), shares)
    classes = (focal.sum(-1) * counted).sum()

    predicted = prediction.boxes[images, cells]
    l1 = ((predicted - boxes).abs().sum(-1) * shares).sum()
    giou = ((1 - generalized_iou(cxcywh_to_xyxy(predicted), cxcywh_to_xyxy(boxes))) * shares).sum()
    return (weights.classes * classes + weights.boxes * l1 + weights.giou * giou) / objects
