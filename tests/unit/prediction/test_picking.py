import numpy as np
import pytest
import torch

from condetr.core.errors import UsageError
from condetr.images.detections import Detections
from condetr.prediction.picking import pick

SIZE = (100, 100)


def found(source, *rows):
    """Each row: score, label, side of a square box."""
    boxes = torch.tensor([[0, 0, side, side] for _, _, side in rows], dtype=torch.float32).reshape(-1, 4)
    return Detections(
        boxes,
        torch.tensor([row[0] for row in rows], dtype=torch.float32),
        torch.tensor([row[1] for row in rows], dtype=torch.int64),
        tuple(str(row[1]) for row in rows),
        SIZE,
        source,
    )


def picked(results, count):
    return [each.source for each in pick(results, count, class_ids=range(3))]


SURE = found("sure", (0.99, 0, 30))
UNSURE = found("unsure", (0.5, 0, 30))
LIKE_UNSURE = found("like unsure", (0.5, 0, 31))
OTHER_CLASS = found("other class", (0.45, 1, 30))
OTHER_SIZE = found("other size", (0.44, 0, 5))
EMPTY = found("empty")


def test_the_first_is_the_most_uncertain():
    assert picked([SURE, EMPTY, UNSURE, OTHER_CLASS], 1) == ["unsure"]
    (first,) = pick([found("a", (0.5, 0, 10), (0.9, 1, 10))], 1, class_ids=range(3))
    assert first.uncertainty == pytest.approx(1 + 4 * 0.9 * 0.1)
    assert first.distance == 1


def test_the_next_differs_from_it_in_class_or_size():
    results = [UNSURE, LIKE_UNSURE, OTHER_CLASS, OTHER_SIZE]
    order = pick(results, 4, class_ids=range(3))
    assert [each.source for each in order] == ["unsure", "other class", "other size", "like unsure"]
    assert order[-1].distance == pytest.approx(0, abs=1e-3)


def test_the_distance_is_hellingers():
    one, other = found("one", (0.5, 0, 30)), found("other", (0.4, 1, 30))
    p, q = np.array([0.5, 0, 1]) / 1.5, np.array([0, 0.4, 1]) / 1.4
    second = pick([one, other], 2, class_ids=range(3))[1]
    assert second.distance == pytest.approx(np.sqrt(1 - np.sqrt(p * q).sum()), abs=1e-4)


def test_the_same_detections_give_the_same_images():
    rng = np.random.default_rng(0)
    results = [
        found(
            str(number),
            *[(float(rng.uniform(0.1, 1)), int(rng.integers(3)), float(rng.uniform(2, 90))) for _ in range(5)],
        )
        for number in range(60)
    ]
    once = picked(results, 20)
    assert once == picked(results, 20)
    assert picked(results, 10) == once[:10]
    assert len(set(once)) == 20


def test_equal_images_come_in_their_order():
    alike = [found(name, (0.5, 0, 30)) for name in "abc"]
    assert picked(alike, 3) == ["a", "b", "c"]


def test_there_may_be_fewer_images_than_asked_for():
    assert sorted(picked([SURE, EMPTY], 5)) == ["empty", "sure"]
    assert picked([], 5) == []
    with pytest.raises(UsageError, match="count: is 0"):
        pick([], 0, class_ids=range(3))
