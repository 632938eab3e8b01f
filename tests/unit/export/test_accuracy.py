import pytest
import torch

from condetr.core.errors import GateError
from condetr.export.accuracy import ApLost, found_again
from condetr.images.detections import Detections


def detections(*rows):
    boxes = torch.tensor([row[:4] for row in rows], dtype=torch.float32).reshape(-1, 4)
    labels = torch.tensor([row[4] for row in rows], dtype=torch.int64)
    scores = torch.tensor([row[5] for row in rows], dtype=torch.float32)
    return Detections(boxes, scores, labels, tuple(f"class {label}" for label in labels.tolist()), (100, 100))


def test_same_class_and_place_count_once():
    expected = detections((0, 0, 10, 10, 1, 0.9), (0, 0, 10, 10, 1, 0.8), (50, 50, 60, 60, 2, 0.7))
    original = detections((1, 0, 11, 10, 1, 0.85), (50, 50, 60, 60, 1, 0.9))
    found = found_again([expected], [original])
    assert (found.detections, found.again, found.more) == (3, 1, 1)
    assert found.largest_score_difference == pytest.approx(0.05)
    with pytest.raises(GateError, match="has 1 of the model's 3 detections"):
        found.require()


def test_nothing_to_find_is_no_failure():
    found = found_again([detections()], [detections()])
    assert found.share == 1
    found.require()


def test_half_a_point_of_ap_may_be_lost():
    ApLost(500, 0.7675, 0.7626).require()
    ApLost(500, 0.7675, 0.7900).require()
    with pytest.raises(GateError, match=r"loses 0\.60 points of AP \(76\.8 to 76\.1\)"):
        ApLost(500, 0.7675, 0.7615).require()


def test_half_a_point_of_the_masks_ap_may_be_lost_too():
    masks = ApLost(500, 0.59, 0.586)
    kept = ApLost(500, 0.76, 0.76, masks)
    kept.require()
    assert kept.to_dict()["masks"]["points"] == pytest.approx(0.4)
    with pytest.raises(GateError, match=r"loses 0\.60 points of mask AP"):
        ApLost(500, 0.76, 0.76, ApLost(500, 0.59, 0.584)).require()
