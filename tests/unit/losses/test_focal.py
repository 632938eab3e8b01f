import math

import pytest
import torch
from torch.autograd import gradcheck

from condetr.losses.focal import focal_losses


def at(*places):
    """Positions (layer, image, query, class) as the index that the loss takes."""
    return tuple(torch.tensor(axis, dtype=torch.int64)[:, None] for axis in zip(*places, strict=True))


def test_one_score_by_hand():
    logits = torch.full((1, 1, 1, 1), math.log(3))  # score 0.75
    none = (torch.empty(1, 0, dtype=torch.int64),) * 4
    assert focal_losses(logits, none, 0.25).item() == pytest.approx(0.75 * 0.75**2 * math.log(4))
    assert focal_losses(logits, at((0, 0, 0, 0)), 0.25).item() == pytest.approx(0.25 * 0.25**2 * math.log(4 / 3))


def test_layers_are_summed_apart():
    logits = torch.randn(3, 2, 4, 5)
    positives = at((0, 0, 1, 2), (1, 1, 1, 3), (2, 0, 3, 4))
    together = focal_losses(logits, positives, 0.25)
    for layer in range(3):
        alone = tuple(axis[layer : layer + 1] for axis in positives)
        alone = (torch.zeros_like(alone[0]), *alone[1:])
        torch.testing.assert_close(together[layer : layer + 1], focal_losses(logits[layer : layer + 1], alone, 0.25))


@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])
def test_the_gradient_is_that_of_the_value(alpha):
    logits = torch.randn(2, 1, 3, 4, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: focal_losses(x, at((0, 0, 1, 2), (1, 0, 0, 3)), alpha), logits)


@pytest.mark.parametrize("certain", [-1e4, -100.0, 100.0, 1e4])
def test_certain_scores_have_finite_losses_and_gradients(certain):
    logits = torch.full((1, 1, 2, 2), certain, requires_grad=True)
    loss = focal_losses(logits, at((0, 0, 0, 0)), 0.25)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert logits.grad.isfinite().all()
