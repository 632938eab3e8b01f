"""From an image processor's labels to the losses of a detector, under the names that trainers log."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from condetr.core.errors import AnnotationError
from condetr.core.records import Prediction, Target
from condetr.losses.loss_weights import LossWeights
from condetr.losses.masks import MaskSupervision
from condetr.losses.set_loss import Losses, set_loss
from condetr.matching.matching_costs import MatchingCosts


def targets_of(labels: Sequence[Any], batch: int) -> list[Target]:
    """One dict per image: ``class_labels``, ``boxes`` (cx, cy, w, h) in [0, 1], and optionally ``masks``.

    Raises:
        AnnotationError: names the image.
    """
    if not isinstance(labels, Sequence) or len(labels) != batch:
        count = len(labels) if isinstance(labels, Sequence) else f"a {type(labels).__name__}"
        raise AnnotationError(f"is {count}, expected a list of {batch}, one dict per image", item="labels")
    return [_target(label, image) for image, label in enumerate(labels)]


def _target(label: Any, image: int) -> Target:
    if not isinstance(label, Mapping):
        raise AnnotationError(f"is a {type(label).__name__}, expected a dict", item=f"labels, image {image}")
    missing = [name for name in ("class_labels", "boxes") if not isinstance(label.get(name), Tensor)]
    if missing:
        raise AnnotationError(f"lacks the tensors {', '.join(missing)}", item=f"labels, image {image}")
    classes, boxes = label["class_labels"], label["boxes"]
    if classes.is_floating_point() or classes.dtype == torch.bool or classes.ndim != 1:
        raise AnnotationError(
            f"class_labels is {classes.dtype} {list(classes.shape)}, expected one whole number per object",
            item=f"labels, image {image}",
        )
    if list(boxes.shape) != [len(classes), 4] and boxes.numel() + len(classes) > 0:
        raise AnnotationError(
            f"boxes is {list(boxes.shape)}, expected [{len(classes)}, 4], one per class label",
            item=f"labels, image {image}",
        )
    masks = label.get("masks")
    if masks is not None and (not isinstance(masks, Tensor) or masks.ndim != 3 or len(masks) != len(classes)):
        shape = list(masks.shape) if isinstance(masks, Tensor) else f"a {type(masks).__name__}"
        raise AnnotationError(
            f"masks is {shape}, expected [{len(classes)}, height, width], one per class label",
            item=f"labels, image {image}",
        )
    return Target(classes.long(), boxes.float().reshape(-1, 4), None if masks is None else masks.bool())


def losses_of(
    predictions: Sequence[Prediction],
    labels: Sequence[Any],
    costs: MatchingCosts,
    weights: LossWeights,
    supervision: MaskSupervision | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The weighted total, and each term: of the last layer by its name alone, of the others numbered from 0."""
    targets = targets_of(labels, len(predictions[-1].logits))
    losses = set_loss(predictions, targets, costs, weights, supervision=supervision)
    return losses.total, _named(losses)


def _named(losses: Losses) -> dict[str, Tensor]:
    terms = {
        "loss_ce": losses.classes,
        "loss_bbox": losses.boxes,
        "loss_giou": losses.giou,
        "cardinality_error": losses.cardinality_error,
    }
    named = {name: term[-1] for name, term in terms.items()}
    if losses.masks is not None and losses.dice is not None:
        named |= {"loss_mask": losses.masks, "loss_dice": losses.dice}
    for layer in range(len(losses.classes) - 1):
        named |= {f"{name}_{layer}": term[layer] for name, term in terms.items()}
    return named
