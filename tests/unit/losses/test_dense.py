import math

import pytest
import torch
from torch.autograd import gradcheck

from condetr.core.records import Prediction, Target
from condetr.losses.dense import dense_loss
from condetr.losses.loss_weights import LossWeights
from tests.plain_set_loss import focal, giou, l1

BOXES = [[0.3, 0.3, 0.2, 0.4], [0.7, 0.6, 0.3, 0.2], [0.5, 0.5, 0.4, 0.9]]
TARGETS = [
    Target(torch.tensor([2, 0]), torch.tensor(BOXES[:2])),
    Target(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4)),
    Target(torch.tensor([1]), torch.tensor(BOXES[2:])),
]
NUMBERS = torch.tensor([[1, 0, 0, -1], [-1, -1, -100, -100], [-100, 0, 0, 0]])
OWNERS = {(0, 0): 1, (0, 1): 0, (0, 2): 0, (2, 1): 2, (2, 2): 2, (2, 3): 2}
SHARES = {0: 1 / 2, 1: 1, 2: 1 / 3}
LABELS = [2, 0, 1]


def predict(**kind):
    return Prediction(torch.randn(3, 4, 3, **kind), torch.rand(3, 4, 4, **kind) * 0.5 + 0.2)


def test_it_is_the_sum_over_cells_in_which_every_object_counts_once():
    prediction, weights = predict(), LossWeights(classes=3.0, boxes=7.0, giou=0.5)
    logits, boxes = prediction.logits.tolist(), prediction.boxes.tolist()
    total = 0.0
    for image, row in enumerate(NUMBERS.tolist()):
        for cell, number in enumerate(row):
            owner = OWNERS.get((image, cell))
            label = None if owner is None else LABELS[owner]
            classes = sum(focal(logit, name == label, 0.25) for name, logit in enumerate(logits[image][cell]))
            if owner is not None:
                distances = 7 * l1(boxes[image][cell], BOXES[owner]) + 0.5 * (
                    1 - giou(boxes[image][cell], BOXES[owner])
                )
                total += SHARES[owner] * (3 * classes + distances)
            elif number == -1:
                total += 3 * classes
    assert dense_loss(prediction, TARGETS, NUMBERS, 6.0, weights).item() == pytest.approx(total / 6, rel=1e-5)


def test_ignored_cells_have_no_gradient_and_background_moves_no_box():
    prediction = predict()
    for tensor in prediction:
        tensor.requires_grad_()
    dense_loss(prediction, TARGETS, NUMBERS, 3.0, LossWeights()).backward()
    assert torch.equal(prediction.logits.grad.any(-1), NUMBERS != -100)
    assert torch.equal(prediction.boxes.grad.any(-1), NUMBERS >= 0)


@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])
def test_the_gradient_is_that_of_the_value(alpha):
    logits, boxes = (tensor.requires_grad_() for tensor in predict(dtype=torch.float64))
    weights = LossWeights(alpha=alpha)
    assert gradcheck(lambda x, y: dense_loss(Prediction(x, y), TARGETS, NUMBERS, 3.0, weights), (logits, boxes))


def test_images_without_objects_teach_that_nothing_is_there():
    prediction = Prediction(torch.zeros(1, 2, 1), torch.rand(1, 2, 4))
    loss = dense_loss(prediction, TARGETS[1:2], torch.full((1, 2), -1), 1.0, LossWeights())
    assert loss.item() == pytest.approx(2 * 2 * 0.75 * 0.5**2 * math.log(2))
