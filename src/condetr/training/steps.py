"""One optimization step: the gradients of its micro-batches are accumulated, clipped and applied, or skipped."""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from condetr.checkpoints.keys import own_name
from condetr.core.denormals import denormals_as_zero
from condetr.core.errors import ModelError
from condetr.data.batches import TrainingBatch
from condetr.losses.object_count import objects_in
from condetr.losses.set_loss import Losses
from condetr.training.processes import Processes
from condetr.training.train_state import TrainState

AUXILIARY = ("one_to_many", "dense", "teacher")
MEASURED = (
    *("loss", "loss_ce", "loss_bbox", "loss_giou", "loss_mask", "loss_dice"),
    *(f"loss_{name}" for name in AUXILIARY),
    *("cardinality_error", "class_error"),
)


@dataclass(frozen=True, slots=True)
class Step:
    """The result of a step.

    Attributes:
        measured: the values named by `MEASURED`: the total loss, terms of the last decoder layer, and terms that only
            training has; NaN where a term is not trained.
        gradient_norm: before clipping.
        unmatched: objects without a query, where there are more objects than queries.
        skip_reason: why the weights did not change; None when they did.
        overflow: whether that was the fp16 gradient scale being adjusted.
    """

    measured: tuple[float, ...]
    gradient_norm: float
    unmatched: int
    skip_reason: str | None = None
    overflow: bool = False


@denormals_as_zero()
def take_step(
    state: TrainState, batches: Sequence[TrainingBatch], processes: Processes, clip: float, done: float = 0.0
) -> Step:
    """Train on ``batches`` as if they were one. A loss or gradient that is not finite never reaches the weights.

    ``done`` is the fraction of the training that is done.
    """
    state.optimizer.zero_grad()
    device = processes.device
    objects = objects_in([target for batch in batches if not batch.is_filler for target in batch.targets], device)
    measured, unmatched = torch.zeros(len(MEASURED), device=device), 0
    for number, batch in enumerate(batches):
        is_last = number == len(batches) - 1
        with nullcontext() if is_last else processes.no_sync(state.network):
            losses, problem = _losses_of(state, batch.to(device), objects, done)
            # All processes skip the step when one does: none may wait for gradients that never come.
            if processes.any(problem is not None):
                reason = " and ".join(filter(None, processes.gather(problem)))
                return Step((math.nan,) * len(MEASURED), math.nan, 0, skip_reason=reason)
            assert losses is not None
            state.scaler.scale(losses.total * float(not batch.is_filler)).backward()
        if not batch.is_filler:
            measured += _measured(losses)
            unmatched += losses.unmatched
    measured[-2:] /= max(1, sum(not batch.is_filler for batch in batches))  # two that are means already
    return _applied(state, tuple(measured.tolist()), unmatched, clip)


def _losses_of(
    state: TrainState, batch: TrainingBatch, objects: float, done: float
) -> tuple[Losses | None, str | None]:
    """The losses, or which of their terms are not finite."""
    images = f"in the images {', '.join(batch.names)}"
    try:
        losses = state.network(batch.pixels, batch.mask, batch.targets, objects, done)
    except ModelError as error:  # such predictions cannot be matched
        return None, f"{error.reason}, {error.item}, {images}"
    if losses.total.isfinite():
        return losses, None
    terms = {"classes": losses.classes, "boxes": losses.boxes, "giou": losses.giou}
    broken = [
        f"{name} of decoder layer {layer}"
        for name, term in terms.items()
        for layer in (~term.isfinite()).nonzero().flatten().tolist()
    ]
    others = {"masks": losses.masks, "dice": losses.dice, **losses.auxiliary}
    broken += [name for name, term in others.items() if term is not None and not term.isfinite()]
    return None, f"the loss is not finite ({', '.join(broken) or 'their sum'}) {images}"


def _measured(losses: Losses) -> Tensor:
    untrained = torch.full_like(losses.total, math.nan)
    optional = losses.masks, losses.dice, *map(losses.auxiliary.get, AUXILIARY)
    others = (untrained if term is None else term for term in optional)
    means = losses.cardinality_error, losses.class_error
    terms = losses.total, losses.classes, losses.boxes, losses.giou, *others, *means
    return torch.stack([term if term.ndim == 0 else term[-1] for term in terms]).detach().float()


def _applied(state: TrainState, measured: tuple[float, ...], unmatched: int, clip: float) -> Step:
    optimizer, scaler = state.optimizer, state.scaler
    scaler.unscale_(optimizer)
    weights = [weight for group in optimizer.param_groups for weight in group["params"] if weight.grad is not None]
    total_norm = get_total_norm([weight.grad for weight in weights])
    norm = total_norm.item()
    if not math.isfinite(norm):
        overflow = scaler.is_enabled() and scaler.get_scale() > 1
        reason = f"the gradient is not finite: {_broken_gradients(state)}"
        if scaler.is_enabled():
            scaler.step(optimizer)  # skips the step itself: unscale_ found the same
            scaler.update()
        return Step(measured, norm, unmatched, skip_reason=reason, overflow=overflow)
    if clip:
        clip_grads_with_norm_(weights, clip, total_norm)
    scaler.step(optimizer)
    scaler.update()
    return Step(measured, norm, unmatched)


def _broken_gradients(state: TrainState) -> str:
    named = state.supervised.named_parameters()
    broken = [own_name(name) for name, weight in named if weight.grad is not None and not weight.grad.isfinite().all()]
    return ", ".join(broken[:5]) + (f" and {len(broken) - 5} more" if len(broken) > 5 else "")
