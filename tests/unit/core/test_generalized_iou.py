import pytest
import torch

from condetr.core.boxes import generalized_iou


def giou(one, other):
    return generalized_iou(torch.tensor(one), torch.tensor(other)).item()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([0.0, 0, 2, 2], [0.0, 0, 2, 2], 1.0),
        ([0.0, 0, 2, 2], [1.0, 1, 3, 3], 1 / 7 - 2 / 9),
        ([0.0, 0, 1, 1], [2.0, 0, 3, 1], -1 / 3),
        ([0.0, 0, 4, 4], [1.0, 1, 2, 2], 1 / 16),
        ([0.0, 0, 2, 2], [1.0, 1, 1, 1], 0.0),  # a point inside a box
    ],
)
def test_counts_areas(one, other, expected):
    assert giou(one, other) == pytest.approx(expected, abs=1e-6)
    assert giou(other, one) == pytest.approx(expected, abs=1e-6)


def test_pairs_are_the_elements_of_a_broadcast():
    corners = torch.rand(2, 5, 4)
    boxes = torch.cat((corners[..., :2], corners[..., :2] + corners[..., 2:]), -1)
    pairs = generalized_iou(boxes[0][:, None], boxes[1][None])
    for i, j in ((0, 0), (1, 4), (4, 2)):
        assert pairs[i, j] == generalized_iou(boxes[0, i], boxes[1, j])


@pytest.mark.parametrize("point", [[0.5, 0.5, 0.5, 0.5], [0.1, 0.5, 0.9, 0.5], [0.5, 0.1, 0.5, 0.9], [0.0, 0, 1, 1]])
@pytest.mark.parametrize("other", [[0.5, 0.5, 0.5, 0.5], [0.2, 0.2, 0.2, 0.2], [0.5, 0.0, 0.5, 1.0]])
def test_boxes_without_area_have_a_finite_value_and_gradient(point, other):
    box = torch.tensor(point, requires_grad=True)
    value = generalized_iou(box, torch.tensor(other))
    value.backward()
    assert -1 <= value.item() <= 1
    assert box.grad.isfinite().all()
    assert box.grad.norm().isfinite()
