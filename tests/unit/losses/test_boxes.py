import pytest
import torch

from condetr.losses.boxes import giou_losses, l1_losses

BOXES = torch.tensor([[[0.5, 0.5, 0.2, 0.4], [0.3, 0.3, 0.2, 0.2]]])


def test_a_box_on_its_object_costs_nothing():
    assert l1_losses(BOXES, BOXES).item() == 0
    assert giou_losses(BOXES, BOXES).item() == pytest.approx(0, abs=1e-6)


def test_distances_add_up():
    moved = BOXES + torch.tensor([0.1, -0.2, 0.1, 0.0])
    assert l1_losses(moved, BOXES).item() == pytest.approx(0.8)


def test_boxes_apart_cost_more_than_one_each():
    apart = torch.tensor([[[0.1, 0.1, 0.1, 0.1], [0.9, 0.9, 0.1, 0.1]]])
    assert 2 < giou_losses(apart, apart.flip(1)).item() < 4


def test_no_matches_cost_nothing():
    none = torch.empty(3, 0, 4)
    assert l1_losses(none, none).tolist() == giou_losses(none, none).tolist() == [0, 0, 0]
