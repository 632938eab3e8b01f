"""The set loss: each decoder layer is matched to the targets and supervised."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from condetr.core.boxes import cxcywh_to_xyxy, iou
from condetr.core.errors import UsageError
from condetr.core.records import Prediction, Target
from condetr.losses.boxes import giou_losses, l1_losses
from condetr.losses.focal import focal_losses
from condetr.losses.iou_aware import iou_aware_losses
from condetr.losses.loss_weights import LossWeights
from condetr.losses.masks import MaskSupervision, mask_losses
from condetr.losses.metrics import cardinality_errors, class_error
from condetr.losses.object_count import objects_in
from condetr.matching.assignment import Assignment, assign
from condetr.matching.matching_costs import MatchingCosts
from condetr.matching.objects import gather_objects


@dataclass(frozen=True, slots=True)
class Losses:
    """The terms of each decoder layer, last layer last, before their weights; and their weighted total.

    Attributes:
        total: what training minimizes, over all layers.
        classes: focal loss, or the IoU-aware one.
        boxes: L1 distance of (cx, cy, w, h).
        giou: 1 - generalized IoU.
        cardinality_error: absolute difference between the number of queries that score above 0.5 and the number of
            objects; only logged.
        class_error: percentage of the last layer's matched queries whose best class is wrong; 100 if nothing is
            matched, as in the authors' logs; only logged.
        assignment: which query is matched to which object.
        unmatched: number of objects left out because there are more objects than queries.
        masks: focal loss of the last layer's masks; None without mask supervision.
        dice: 1 - dice of the same.
        auxiliary: terms that training added to the total, by name, with their weights.
    """

    total: Float[Tensor, ""]
    classes: Float[Tensor, "layers"]
    boxes: Float[Tensor, "layers"]
    giou: Float[Tensor, "layers"]
    cardinality_error: Float[Tensor, "layers"]
    class_error: Float[Tensor, ""]
    assignment: Assignment
    unmatched: int
    masks: Float[Tensor, ""] | None = None
    dice: Float[Tensor, ""] | None = None
    auxiliary: Mapping[str, Float[Tensor, ""]] = field(default_factory=dict)


def set_loss(
    predictions: Sequence[Prediction],
    targets: Sequence[Target],
    costs: MatchingCosts,
    weights: LossWeights,
    objects: float | None = None,
    supervision: MaskSupervision | None = None,
    *,
    iou_aware: float = 0.0,
) -> Losses:
    """Equation 2 of DETR with the focal loss of Conditional DETR, computed at least in fp32.

    Args:
        predictions: of the supervised decoder layers, last layer last.
        targets: of each image.
        costs: of the matching.
        weights: of the loss terms.
        objects: divisor of the terms; `objects_in(targets)` by default. Gradient accumulation gives the step's count.
        supervision: of masks, which only the last layer has.
        iou_aware: exponent of the IoU in the target of the classes, see `iou_aware_losses`; 0: the focal loss.

    Raises:
        UsageError: the predictions and the targets are not of the same images.
        AnnotationError: a target is malformed or does not fit the network.
        ModelError: a prediction is not finite.
    """
    if not predictions or not targets:
        raise UsageError(f"nothing to learn from {len(predictions)} decoder layers and {len(targets)} images")
    logits, boxes = _stack(predictions)
    if len(targets) != boxes.shape[1]:
        raise UsageError(f"expected one target per image, got {len(targets)} for a batch of {boxes.shape[1]}")
    count = objects_in(targets, boxes.device) if objects is None else objects
    labeled = gather_objects(targets, logits.shape[-1], boxes)
    assignment = assign(logits, boxes, labeled, costs)

    matched_queries = torch.arange(len(boxes), device=boxes.device)[:, None], assignment.images, assignment.queries
    matched_objects = assignment.images, assignment.objects
    labels = labeled.labels[matched_objects]
    pairs = boxes[matched_queries], labeled.boxes[matched_objects]
    positives = *matched_queries, labels
    if iou_aware:
        ious = iou(*(cxcywh_to_xyxy(of_pairs.detach()) for of_pairs in pairs))
        classes = iou_aware_losses(logits, positives, ious, iou_aware) / count
    else:
        classes = focal_losses(logits, positives, weights.alpha) / count
    l1, giou = l1_losses(*pairs) / count, giou_losses(*pairs) / count
    total = (weights.classes * classes + weights.boxes * l1 + weights.giou * giou).sum()
    masks = dice = None
    if supervision is not None:
        of_masks = mask_losses(supervision, assignment, targets)
        masks, dice = of_masks.focal / count, of_masks.dice / count
        total = total + weights.masks * masks + weights.dice * dice
    return Losses(
        total=total,
        classes=classes,
        boxes=l1,
        giou=giou,
        cardinality_error=cardinality_errors(logits, labeled.counts),
        class_error=class_error(logits[matched_queries][-1], labels[-1]),
        assignment=assignment,
        unmatched=sum(labeled.counts) - len(assignment.images),
        masks=masks,
        dice=dice,
    )


def _stack(
    predictions: Sequence[Prediction],
) -> tuple[Float[Tensor, "layers batch queries classes"], Float[Tensor, "layers batch queries 4"]]:
    logits = torch.stack([prediction.logits for prediction in predictions])
    boxes = torch.stack([prediction.boxes for prediction in predictions])
    precision = torch.promote_types(torch.promote_types(logits.dtype, boxes.dtype), torch.float32)
    return logits.to(precision), boxes.to(precision)
