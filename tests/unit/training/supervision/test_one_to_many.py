import pytest
import torch

from condetr.core.records import Target
from condetr.training.supervision.one_to_many import repeated_objects


def target_of(count):
    return Target(torch.arange(count), torch.rand(count, 4))


@pytest.mark.parametrize(
    ("objects", "times", "queries", "repetitions"),
    [(2, 3, 20, 3), (2, 6, 7, 3), (5, 6, 7, 1), (9, 6, 7, 1), (0, 6, 7, 0)],
)
def test_every_object_as_often_as_queries_allow_and_at_least_once(objects, times, queries, repetitions):
    target = target_of(objects)
    (repeated,) = repeated_objects([target], times, queries)
    assert repeated.labels.tolist() == target.labels.tolist() * repetitions
    assert repeated.boxes.tolist() == target.boxes.tolist() * repetitions


def test_crowded_images_leave_the_others_alone():
    counts = [len(target) for target in repeated_objects([target_of(5), target_of(1)], 3, 6)]
    assert counts == [5, 3]
