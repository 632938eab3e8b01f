import pytest
import torch
from torch.optim import AdamW

from condetr.core.boxes import cxcywh_to_xyxy, iou
from condetr.core.records import Target
from condetr.losses.loss_weights import LossWeights
from condetr.training.supervision.dense_supervision import DenseSupervision, centers_of
from tests.unit.training.networks import tiny_detector


def dense(weight=1.0, until=0.5):
    return DenseSupervision(tiny_detector().config, LossWeights(), weight, until)


def test_centers_are_relative_to_the_image_without_padding():
    cells = torch.zeros(2, 2, 4, dtype=torch.bool)
    cells[0], cells[1, :1, :2] = True, True
    centers = centers_of(cells).unflatten(1, (2, 4))
    assert centers[0, 0, 0].tolist() == [0.125, 0.25]
    assert centers[0, 1, 3].tolist() == [0.875, 0.75]
    assert centers[1, 0, :2].tolist() == [[0.25, 0.5], [0.75, 0.5]]


def test_the_weight_falls_linearly_to_nothing():
    assert [dense(2.0, 0.5).weight(done) for done in (0.0, 0.125, 0.25, 0.5, 0.75)] == [2.0, 1.5, 1.0, 0.0, 0.0]


def test_a_fresh_head_sees_next_to_nothing_everywhere_with_boxes_around_each_cell():
    supervision, cells = dense(), torch.ones(1, 3, 4, dtype=torch.bool)
    logits, boxes = supervision.head(torch.randn(1, 12, 32), centers_of(cells).logit(1e-3))
    assert logits.sigmoid().max() < 0.1
    torch.testing.assert_close(boxes[..., :2], centers_of(cells))
    assert (boxes[..., 2:] == 0.5).all()


@pytest.mark.parametrize("padded", [False, True])
def test_cells_learn_the_class_and_box_of_their_object(padded):
    """From a memory that marks them; what lies under padding changes nothing."""
    supervision = dense()
    target = Target(torch.tensor([1, 0]), torch.tensor([[0.25, 0.5, 0.3, 0.6], [0.75, 0.5, 0.4, 0.4]]))
    cells = torch.ones(1, 4, 8, dtype=torch.bool)
    if padded:
        cells[:, :, 4:] = False
    memory = torch.randn(1, 32, 32)
    optimizer = AdamW(supervision.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        loss = supervision(memory, cells, [target], 2.0)
        loss.backward()
        optimizer.step()
    assert loss < 0.2
    logits, boxes = (tensor.unflatten(1, (4, 8)) for tensor in supervision.head(memory, centers_of(cells).logit(1e-3)))
    columns = (1, 3) if padded else (2, 6)  # where the centers are
    for number, column in enumerate(columns):
        assert logits[0, 2, column].argmax() == target.labels[number]
        assert iou(cxcywh_to_xyxy(boxes[0, 2, column]), cxcywh_to_xyxy(target.boxes[number])) > 0.8
    other = memory.unflatten(1, (4, 8)).masked_fill(~cells[..., None], 7.0).flatten(1, 2)
    assert torch.equal(supervision(other, cells, [target], 2.0), supervision(memory, cells, [target], 2.0))
