import pytest
import torch

from condetr.core.errors import ModelError, UsageError
from condetr.images.scoring import detections_of

LOGITS = torch.tensor([[[0.0, 3.0], [2.0, 1.0], [-5.0, -6.0]]])
BOXES = torch.tensor([[[0.5, 0.5, 1.0, 1.0], [0.25, 0.5, 0.5, 0.5], [0.1, 0.1, 0.1, 0.1]]])


def test_the_best_pairs_of_query_and_class_come_first():
    (found,) = detections_of(LOGITS, BOXES, threshold=0.4)
    assert found.labels.tolist() == [1, 0, 1, 0]
    assert found.queries.tolist() == [0, 1, 1, 0]
    torch.testing.assert_close(found.scores, torch.tensor([3.0, 2.0, 1.0, 0.0]).sigmoid())
    assert found.boxes.tolist() == [[0, 0, 1, 1], [0, 0.25, 0.5, 0.75], [0, 0.25, 0.5, 0.75], [0, 0, 1, 1]]


def test_only_scores_above_the_threshold_count():
    (found,) = detections_of(LOGITS, BOXES, threshold=0.5)
    assert found.labels.tolist() == [1, 0, 1]  # a logit of 0 is exactly 0.5
    assert [len(values) for values in detections_of(LOGITS, BOXES, threshold=1)[0]] == [0] * 4


def test_top_k_comes_before_the_threshold_and_may_exceed_the_pairs():
    assert len(detections_of(LOGITS, BOXES, threshold=0, top_k=2)[0].scores) == 2
    assert len(detections_of(LOGITS, BOXES, threshold=0, top_k=999)[0].scores) == 6


@pytest.mark.parametrize("sizes", [[(100, 200)], torch.tensor([[100, 200]]), [[100.0, 200.0]]])
def test_sizes_give_boxes_in_pixels(sizes):
    (found,) = detections_of(LOGITS, BOXES, sizes)
    assert found.boxes[0].tolist() == [0, 0, 200, 100]
    assert found.boxes[1].tolist() == [0, 25, 100, 75]


def test_half_precision_does_not_round_pixels():
    (found,) = detections_of(LOGITS.bfloat16(), BOXES.bfloat16(), [(1001, 2003)])
    assert found.boxes[0].tolist() == [0, 0, 2003, 1001]
    assert found.scores.dtype == torch.float32


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_never_an_empty_list(broken):
    logits, boxes = LOGITS.clone(), BOXES.clone()
    logits[0, 2, 1] = broken
    with pytest.raises(ModelError, match="logits: 1 of 6 values are not finite"):
        detections_of(logits, BOXES)
    boxes[0, 0, 0] = broken
    with pytest.raises(ModelError, match="boxes: 1 of 12"):
        detections_of(LOGITS, boxes)


def test_large_logits_are_finite_even_if_their_sum_is_not():
    assert detections_of(LOGITS.abs() * 5e37, BOXES)[0].scores[0] == 1


@pytest.mark.parametrize(("sizes", "top_k"), [([], 1), ([(1, 1)] * 2, 1), ([(1, 1)], 0)])
def test_what_does_not_fit_is_refused(sizes, top_k):
    with pytest.raises(UsageError):
        detections_of(LOGITS, BOXES, sizes, top_k=top_k)
