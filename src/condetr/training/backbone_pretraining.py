"""Naming: before a new network detects, its backbone learns to say what lies on each cell of its last map.

It stands in for ImageNet weights where there are none, with the labels that are there anyway: queries that attend to
features without meaning take many epochs to learn anything (docs/training.md).
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
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
from condetr.model.transformer import DetrTransformer, grid_mask
from condetr.training.optimization.trainable_norms import trainable_batch_norms
from condetr.training.run.events import EventHandler, Named, Noted

RATE = 2e-3
WARM_UP = 0.05  # share of the steps in which the rate rises; it falls along half a cosine
DECAY = 1e-2
CLIP = 1.0
CORE = 0.5  # of an object's sides: cells inside it are the object's, those around it are not judged
LATELY = 100  # steps over which it is told how well that went
UNSURE = -100  # what cross_entropy leaves out

Names = Int64[Tensor, "batch rows columns"]


def pretrain_backbone(
    detector: DetrTransformer, feed: Iterator[list[TrainingBatch]], steps: int, device: torch.device, say: EventHandler
) -> None:
    """Train the backbone on the first ``steps`` batches of ``feed``, under a classifier of single cells.

    Its norms estimate statistics and learn their scales meanwhile, and are frozen with what they found.

    Raises:
        ModelError: the loss is not finite.
    """
    say(Noted("first the backbone learns to name what lies on its cells"))
    backbone, classes = detector.backbone.to(device), detector.config.num_labels
    lately: deque[tuple[int, int]] = deque(maxlen=LATELY)
    classifier = nn.Conv2d(backbone.widths[-1], classes + 1, kernel_size=1).to(device)
    with trainable_batch_norms(backbone):
        weights = [*backbone.parameters(), *classifier.parameters()]
        optimizer = AdamW(weights, lr=RATE, weight_decay=DECAY)
        for step, batch in enumerate(islice(chain.from_iterable(feed), steps)):
            for group in optimizer.param_groups:
                group["lr"] = RATE * _share_of_rate(step / steps)
            here = batch.to(device)
            logits = classifier(backbone(here.pixels)[-1])
            cells = grid_mask(here.pixels, here.mask, *logits.shape[-2:])
            names = names_of(here.targets, cells, classes)
            loss = naming_loss(logits, names)
            if not loss.isfinite():
                raise ModelError(f"is not finite in naming step {step}", item=f"loss of {', '.join(batch.names)}")
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(weights, CLIP)
            optimizer.step()
            lately.append(_counts(logits, names, classes))
            say(Named(step + 1, steps, loss.item()))
    right, objects = (sum(counts) for counts in zip(*lately, strict=True))
    say(Noted(f"{right / max(1, objects):.0%} of the cells with objects are named right"))


def names_of(targets: Sequence[Target], cells: GridMask, nothing: int) -> Names:
    """The class of each cell: of the object in whose core it is, ``nothing`` outside of all; small ones are in front.

    Every object has the cell that its center lies on, however small it is.
    """
    names = torch.full(cells.shape, nothing, dtype=torch.int64, device=cells.device)
    for image, target in enumerate(targets):
        rows, columns = int(cells[image].any(1).sum()), int(cells[image].any(0).sum())
        grid = names[image, :rows, :columns]  # what is padded has no name
        y, x = ((torch.arange(side) + 0.5) / side for side in (rows, columns))
        x_centre, y_centre, width, height = target.boxes.cpu().unbind(1)
        across, down = (x - x_centre[:, None]).abs(), (y - y_centre[:, None]).abs()
        touched = (2 * down < height[:, None])[:, :, None] & (2 * across < width[:, None])[:, None, :]
        core = (2 * down < CORE * height[:, None])[:, :, None] & (2 * across < CORE * width[:, None])[:, None, :]
        centre = (y_centre * rows).long().clamp(0, rows - 1), (x_centre * columns).long().clamp(0, columns - 1)
        core[torch.arange(len(core)), *centre] = True
        for number in (width * height).argsort(descending=True).tolist():
            grid[touched[number].to(grid.device)] = UNSURE
            grid[core[number].to(grid.device)] = int(target.labels[number])
    return names.masked_fill(~cells, UNSURE)


def naming_loss(logits: Float[Tensor, "batch names rows columns"], names: Names) -> Float[Tensor, ""]:
    """Cells with and without objects count the same in total, however few there are of one kind."""
    losses = cross_entropy(logits, names, ignore_index=UNSURE, reduction="none")
    nothing = logits.shape[1] - 1
    kinds = (names == nothing), (names != nothing) & (names != UNSURE)
    return torch.stack([losses[kind].sum() / kind.sum().clamp(min=1) for kind in kinds]).sum()


def _counts(logits: Tensor, names: Names, nothing: int) -> tuple[int, int]:
    """Cells of objects that are named right, and all of them."""
    is_object = (names != nothing) & (names != UNSURE)
    return int((logits.argmax(1) == names)[is_object].sum()), int(is_object.sum())


def _share_of_rate(done: float) -> float:
    return min(1.0, (done + 1e-3) / WARM_UP, 0.5 + 0.5 * math.cos(math.pi * done))
