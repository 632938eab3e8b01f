"""Backbone pretraining: a classifier of the cells of the last feature map, trained with the detection labels.

It replaces ImageNet weights where there are none: queries that attend to untrained features take many epochs to learn
anything (docs/convergence.md).
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import AdamW

from condetr.core.errors import ModelError
from condetr.core.records import Target
from condetr.core.shapes import GridMask
from condetr.data.batches import TrainingBatch
from condetr.model.detector import ConditionalDetr
from condetr.model.transformer import grid_mask
from condetr.training.optimization.trainable_norms import trainable_batch_norms
from condetr.training.run.events import BackbonePretrained, EventHandler, Noted
from condetr.training.supervision.cell_objects import BACKGROUND, IGNORED, cell_objects

LEARNING_RATE = 2e-3
WARM_UP = 0.05  # fraction of the steps; then the rate falls along half a cosine
WEIGHT_DECAY = 1e-2
CLIP = 1.0
MEASURED = 20  # steps, to find how many fit in the time
REPORTED_STEPS = 100  # the last ones, over which accuracy is reported

CellClasses = Int64[Tensor, "batch rows columns"]


def pretrain_backbone(
    detector: ConditionalDetr,
    feed: Iterator[list[TrainingBatch]],
    steps: int,
    device: torch.device,
    say: EventHandler,
    fitting: Callable[[int, float], int] | None = None,
) -> None:
    """Train the backbone on the first ``steps`` batches of ``feed``, with a classifier of single cells.

    ``fitting`` returns how many steps fit in the time, from the first ones and their seconds. The batch norms of the
    backbone are trainable meanwhile, and then frozen with their statistics, scales and shifts.

    Raises:
        ModelError: the loss is not finite.
    """
    say(Noted(f"backbone pretraining first: {steps} steps"))
    began = time.monotonic()
    backbone, classes = detector.body.backbone.to(device), detector.config.num_labels
    recent: deque[tuple[int, int]] = deque(maxlen=REPORTED_STEPS)
    classifier = nn.Conv2d(backbone.widths[-1], classes + 1, kernel_size=1).to(device)
    with trainable_batch_norms(backbone):
        weights = [*backbone.parameters(), *classifier.parameters()]
        optimizer = AdamW(weights, lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
        for step, batch in enumerate(islice(chain.from_iterable(feed), steps)):
            if step == MEASURED and fitting is not None:
                steps = fitting(step, time.monotonic() - began)
            if step >= steps:
                break
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * _rate_factor(step / steps)
            moved = batch.to(device)
            logits = classifier(backbone(moved.pixels)[-1])
            cells = grid_mask(moved.pixels, moved.mask, *logits.shape[-2:])
            targets = cell_classes(moved.targets, cells, classes)
            loss = cell_loss(logits, targets)
            if not loss.isfinite():
                reason = f"is not finite in backbone pretraining step {step}"
                raise ModelError(reason, item=f"loss of {', '.join(batch.names)}")
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(weights, CLIP)
            optimizer.step()
            recent.append(_correct_cells(logits, targets, classes))
            say(BackbonePretrained(step + 1, steps, loss.item()))
    correct, objects = (sum(counts) for counts in zip(*recent, strict=True))
    correct_share = f"{correct / max(1, objects):.0%} of the cells with objects are correct"
    say(Noted(f"backbone pretraining done, {steps} steps: {correct_share}"))


def cell_classes(targets: Sequence[Target], cells: GridMask, background: int) -> CellClasses:
    """The class of the object that each cell belongs to, or ``background``; see `cell_objects`."""
    classes = cell_objects(targets, cells)
    for of_image, target in zip(classes, targets, strict=True):
        has_object = of_image >= 0
        of_image[has_object] = target.labels.to(of_image.device)[of_image[has_object]]
    return classes.masked_fill(classes == BACKGROUND, background)


def cell_loss(logits: Float[Tensor, "batch classes rows columns"], targets: CellClasses) -> Float[Tensor, ""]:
    """Cells with and without objects have equal weight in total, however few there are of one kind."""
    losses = cross_entropy(logits, targets, ignore_index=IGNORED, reduction="none")
    background = logits.shape[1] - 1
    kinds = (targets == background), (targets != background) & (targets != IGNORED)
    return torch.stack([losses[kind].sum() / kind.sum().clamp(min=1) for kind in kinds]).sum()


def _correct_cells(logits: Tensor, targets: CellClasses, background: int) -> tuple[int, int]:
    """Correctly classified cells of objects, and all cells of objects."""
    is_object = (targets != background) & (targets != IGNORED)
    return int((logits.argmax(1) == targets)[is_object].sum()), int(is_object.sum())


def _rate_factor(done: float) -> float:
    return min(1.0, (done + 1e-3) / WARM_UP, 0.5 + 0.5 * math.cos(math.pi * done))
