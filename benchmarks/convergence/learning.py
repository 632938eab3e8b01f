"""Train one network on feature maps, and measure its AP after some of the epochs."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from benchmarks.convergence.feature_maps import SIDE, MappedScenes
from benchmarks.convergence.networks import Found, Learner
from condetr.evaluation.arrays import PredictedObjects, ground_truth_of
from condetr.evaluation.coco_ap import accumulate, averages_of

BATCH = 16
WARM_UP = 60  # steps
WEIGHT_DECAY, CLIP = 1e-4, 0.1


@dataclass(frozen=True)
class Point:
    """AP on the validation split after an epoch.

    Attributes:
        seconds: CPU seconds of the training steps up to here.
        loss: mean of the epoch.
    """

    epoch: int
    seconds: float
    ap: float
    ap50: float
    loss: float


def learning_curve(
    learner: Learner, train: MappedScenes, val: MappedScenes, *, lr: float, epochs: int, seed: int
) -> Iterator[Point]:
    """AdamW with a constant rate after the warm-up; evaluated after each epoch up to 4, and after every second one."""
    optimizer = torch.optim.AdamW(learner.module.parameters(), lr=lr, weight_decay=WEIGHT_DECAY)
    warm_up = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / WARM_UP))
    order, seconds = torch.Generator().manual_seed(seed), 0.0
    for epoch in range(1, epochs + 1):
        learner.module.train()
        begun, losses = time.process_time(), []
        for chosen in torch.randperm(len(train), generator=order).split(BATCH):
            loss = learner.loss(train.maps[chosen], [train.targets[index] for index in chosen.tolist()])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(learner.module.parameters(), CLIP)
            optimizer.step()
            warm_up.step()
            losses.append(loss.item())
        seconds += time.process_time() - begun
        if epoch <= 4 or epoch % 2 == 0 or epoch == epochs:
            yield Point(epoch, seconds, *precision_of_boxes(learner, val), loss=sum(losses) / len(losses))


def precision_of_boxes(learner: Learner, val: MappedScenes) -> tuple[float, float]:
    """AP and AP50."""
    learner.module.eval()
    with torch.no_grad():
        found = learner.detect(val.maps)
    truth = ground_truth_of(val.dataset)
    averages = averages_of(accumulate(truth, _objects(found), images=len(val), classes=len(val.dataset.classes)))
    return averages.ap, averages.ap50


def _objects(found: Found) -> PredictedObjects:
    images, detections = found.scores.shape
    centers, sizes = (SIDE * found.boxes.flatten(0, 1).double()).split(2, dim=1)
    return PredictedObjects(
        images=np.repeat(np.arange(images), detections),
        labels=found.labels.flatten().numpy(),
        boxes=torch.cat([centers - sizes / 2, sizes], dim=1).numpy(),
        scores=found.scores.flatten().double().numpy(),
    )
