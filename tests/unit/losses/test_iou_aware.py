import math

import pytest
import torch
from torch.autograd import gradcheck

from condetr.core.records import Prediction, Target
from condetr.losses.iou_aware import LEAST, iou_aware_losses
from condetr.losses.loss_weights import LossWeights
from condetr.losses.set_loss import set_loss
from condetr.matching.matching_costs import MatchingCosts

ONE = tuple(torch.zeros(1, 1, dtype=torch.int64) for _ in range(4))


def bce(score, target):
    return -target * math.log(score) - (1 - target) * math.log(1 - score)


@pytest.mark.parametrize("exponent", [0.25, 0.75, 1.0])
def test_the_formula_of_the_paper_for_one_matched_score_and_one_other(exponent):
    logits = torch.tensor([math.log(3), -math.log(4)])[None, :, None, None].transpose(1, 2)  # scores 0.75 and 0.2
    target = 0.75 ** (1 - exponent) * 0.6**exponent
    expected = bce(0.75, target) + 0.2**2 * bce(0.2, 0)
    ours = iou_aware_losses(logits, ONE, torch.tensor([[0.6]]), exponent)
    assert ours.tolist() == pytest.approx([expected])


def test_layers_are_summed_apart():
    logits, ious = torch.randn(3, 2, 4, 5), torch.rand(3, 1)
    places = torch.tensor([[0, 0, 1, 2], [1, 1, 1, 3], [2, 0, 3, 4]]).T[..., None].unbind()
    together = iou_aware_losses(logits, places, ious, 0.75)
    for layer in range(3):
        alone = (torch.zeros(1, 1, dtype=torch.int64), *(axis[layer : layer + 1] for axis in places[1:]))
        expected = iou_aware_losses(logits[layer : layer + 1], alone, ious[layer : layer + 1], 0.75)
        torch.testing.assert_close(together[layer : layer + 1], expected)


def test_a_matched_score_is_drawn_to_its_quality_and_the_quality_has_no_gradient():
    logits = torch.tensor(math.log(3)).reshape(1, 1, 1, 1).requires_grad_()
    iou_aware_losses(logits, ONE, torch.tensor([[0.4]]), 0.75).sum().backward()
    assert logits.grad.item() == pytest.approx(0.75 - 0.75**0.25 * 0.4**0.75)  # that of BCE for a fixed target


def test_a_box_beside_its_object_still_has_a_class():
    logits = torch.full((1, 1, 1, 1), -20.0, requires_grad=True)
    iou_aware_losses(logits, ONE, torch.zeros(1, 1), 0.75).sum().backward()
    assert logits.grad.item() == pytest.approx(-LEAST, rel=1e-4)


def test_the_gradient_of_other_scores_is_that_of_the_value():
    logits = torch.randn(1, 1, 3, 2, dtype=torch.float64, requires_grad=True)
    none = (torch.empty(1, 0, dtype=torch.int64),) * 4
    assert gradcheck(lambda x: iou_aware_losses(x, none, torch.empty(1, 0, dtype=torch.float64), 0.75), logits)


@pytest.mark.parametrize("certain", [-1e4, 1e4])
def test_certain_scores_have_finite_losses_and_gradients(certain):
    logits = torch.full((1, 1, 2, 2), certain, requires_grad=True)
    loss = iou_aware_losses(logits, ONE, torch.full((1, 1), 0.5), 0.75)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert logits.grad.isfinite().all()


def losses_of(predictions, targets, **options):
    return set_loss(predictions, targets, MatchingCosts(), LossWeights(), **options)


def test_the_set_loss_takes_the_iou_of_each_layers_matches_and_leaves_the_boxes_alone():
    target = Target(torch.tensor([1]), torch.tensor([[0.5, 0.5, 0.4, 0.4]]))
    wide = torch.tensor([[[0.5, 0.5, 0.8, 0.4]]], requires_grad=True)  # IoU 0.5
    exact = target.boxes[None].clone().requires_grad_()
    predictions = [Prediction(torch.zeros(1, 1, 2), boxes) for boxes in (wide, exact)]
    losses = losses_of(predictions, [target], iou_aware=0.75)
    other = 0.5**2 * bce(0.5, 0)
    targets = [0.5**0.25 * 0.5**0.75, 0.5**0.25]
    assert losses.classes.tolist() == pytest.approx([bce(0.5, quality) + other for quality in targets])
    focal = losses_of(predictions, [target])
    assert torch.equal(losses.boxes, focal.boxes)
    assert torch.equal(losses.giou, focal.giou)
    assert not losses.classes.requires_grad


def test_images_without_objects_teach_that_nothing_is_there():
    logits = torch.randn(2, 6, 3, requires_grad=True)
    empty = Target(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4))
    losses = losses_of([Prediction(logits, torch.rand(2, 6, 4))], [empty, empty], iou_aware=0.75)
    losses.classes.sum().backward()
    assert (logits.grad > 0).all()
