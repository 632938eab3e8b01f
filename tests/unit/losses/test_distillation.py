import math

import pytest
import torch

from condetr.core.records import Prediction
from condetr.losses.distillation import distillation_loss
from condetr.losses.loss_weights import LossWeights
from tests.plain_set_loss import giou, l1

WEIGHTS = LossWeights(classes=3.0, boxes=7.0, giou=0.5)


def predict():
    return Prediction(torch.randn(2, 3), torch.rand(2, 4) * 0.4 + 0.2)


def sigmoid(logit):
    return 1 / (1 + math.exp(-logit))


def test_it_is_the_formula_pair_by_pair():
    student, teacher = predict(), predict()
    total = 0.0
    for logits, box, their_logits, their_box in zip(*(part.tolist() for part in (*student, *teacher)), strict=True):
        scores = [sigmoid(logit) for logit in their_logits]
        for logit, target in zip(logits, scores, strict=True):
            score = sigmoid(logit)
            entropy = -target * math.log(score) - (1 - target) * math.log(1 - score)
            total += 3 * (target - score) ** 2 * entropy
        total += max(scores) * (7 * l1(box, their_box) + 0.5 * (1 - giou(box, their_box)))
    assert distillation_loss(student, teacher, WEIGHTS).item() == pytest.approx(total, rel=1e-5)


def test_there_is_nothing_to_learn_from_oneself():
    prediction = predict()
    for tensor in prediction:
        tensor.requires_grad_()
    loss = distillation_loss(prediction, Prediction(*(tensor.detach() for tensor in prediction)), WEIGHTS)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert not prediction.logits.grad.any()


def test_no_pairs_cost_nothing_and_have_gradients():
    logits, boxes = torch.zeros(3, 0, 2, requires_grad=True), torch.zeros(3, 0, 4, requires_grad=True)
    loss = distillation_loss(Prediction(logits, boxes), Prediction(torch.zeros(3, 0, 2), torch.zeros(3, 0, 4)), WEIGHTS)
    loss.backward()
    assert loss.item() == 0
