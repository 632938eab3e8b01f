import pytest
import torch

from condetr.core.errors import ModelError
from condetr.matching.assignment import assign
from condetr.matching.matching_costs import MatchingCosts
from condetr.matching.objects import Objects


def case(layers, counts, queries, classes=6):
    most = max(counts)
    objects = Objects(torch.randint(classes, (len(counts), most)), torch.rand(len(counts), most, 4), tuple(counts))
    return torch.randn(layers, len(counts), queries, classes), torch.rand(layers, len(counts), queries, 4), objects


def test_every_layer_decides_for_itself():
    logits, boxes, objects = case(2, [3], 5)
    boxes[0, 0, [4, 0, 2]], boxes[1, 0, [1, 3, 0]] = objects.boxes[0], objects.boxes[0]
    found = assign(logits, boxes, objects, MatchingCosts(0.0, 1.0, 0.0))
    assert found.queries.tolist() == [[4, 0, 2], [1, 3, 0]]
    assert found.objects.tolist() == [[0, 1, 2]] * 2
    assert found.images.tolist() == [0, 0, 0]


def test_images_and_their_paddings_do_not_mix():
    logits, boxes, objects = case(2, [1, 0, 3], 4)
    found = assign(logits, boxes, objects, MatchingCosts())
    assert found.images.tolist() == [0, 2, 2, 2]
    assert found.objects.tolist() == [[0, 0, 1, 2]] * 2
    for image in (0, 2):
        alone = Objects(objects.labels[image : image + 1], objects.boxes[image : image + 1], (objects.counts[image],))
        expected = assign(logits[:, image : image + 1], boxes[:, image : image + 1], alone, MatchingCosts())
        assert torch.equal(found.queries[:, found.images == image], expected.queries)


def test_with_more_objects_than_queries_every_query_is_taken():
    found = assign(*case(3, [5, 1], 2), MatchingCosts())
    assert found.images.tolist() == [0, 0, 1]
    for layer in range(3):
        assert sorted(found.queries[layer, :2].tolist()) == [0, 1]
        assert len(set(found.objects[layer, :2].tolist())) == 2


def test_nothing_is_assigned_to_nothing():
    found = assign(*case(2, [0, 0], 4), MatchingCosts())
    assert found.queries.shape == found.objects.shape == (2, 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("part", [0, 1])
@pytest.mark.parametrize("counts", [[2, 1], [0, 0]])
def test_predictions_that_are_not_finite_are_named(value, part, counts):
    args = case(3, counts, 4)
    args[part][2, 1, 3, 0] = value
    with pytest.raises(ModelError, match=r"^decoder layer 2, image 1: .*not finite"):
        assign(*args, MatchingCosts())


def test_boxes_too_large_to_compare_are_named():
    logits, boxes, objects = case(3, [2, 1], 4)
    boxes[1, 0, 2] = 1e30
    with pytest.raises(ModelError, match=r"^decoder layer 1, image 0: "):
        assign(logits, boxes, objects, MatchingCosts())
