import math

import pytest
import torch

from condetr.core.errors import SettingsError
from condetr.matching import costs as costs_module
from condetr.matching.costs import cost_matrices
from condetr.matching.matching_costs import MatchingCosts
from condetr.matching.objects import Objects


def case(layers=3, images=2, objects=4, queries=5, classes=6):
    logits, boxes = torch.randn(layers, images, queries, classes), torch.rand(layers, images, queries, 4)
    labels = torch.randint(classes, (images, objects))
    return logits, boxes, Objects(labels, torch.rand(images, objects, 4), (objects,) * images)


def test_pairs_stay_within_their_layer_and_image():
    logits, boxes, objects = case()
    costs = cost_matrices(logits, boxes, objects, MatchingCosts())
    assert costs.shape == (3, 2, 4, 5)
    alone = Objects(objects.labels[1:, 2:3], objects.boxes[1:, 2:3], (1,))
    first = cost_matrices(logits[2:, 1:, 3:4], boxes[2:, 1:, 3:4], alone, MatchingCosts())
    torch.testing.assert_close(costs[2, 1, 2, 3], first[0, 0, 0, 0])


def test_each_cost_counts_by_its_weight():
    args = case()
    classes, boxes, giou = (cost_matrices(*args, MatchingCosts(*row)) for row in torch.eye(3).tolist())
    torch.testing.assert_close(
        cost_matrices(*args, MatchingCosts(2.0, 5.0, 3.0)), 2 * classes + 5 * boxes + 3 * giou, atol=1e-5, rtol=1e-5
    )


def test_the_costs_of_a_perfect_query_are_the_lowest():
    logits, boxes, objects = case(objects=1)
    logits[..., 2, :], boxes[..., 2, :] = -20, objects.boxes[:, 0]
    logits[:, [0, 1], 2, objects.labels[:, 0]] = 20
    costs = cost_matrices(logits, boxes, objects, MatchingCosts())
    assert (costs.argmin(-1) == 2).all()
    # -0.75 * log(1e-8) less for the class, nothing for the distance, one for the full overlap
    torch.testing.assert_close(costs[..., 2], torch.full((3, 2, 1), -2 * 0.75 * math.log(1e8) - 2), rtol=1e-3, atol=0)


def test_certain_scores_have_finite_costs():
    logits, boxes, objects = case()
    for certain in (-1e4, 1e4):
        assert cost_matrices(torch.full_like(logits, certain), boxes, objects, MatchingCosts()).isfinite().all()


def test_many_pairs_cost_the_same_a_few_layers_at_a_time(monkeypatch):
    args = case()
    at_once = cost_matrices(*args, MatchingCosts())
    monkeypatch.setattr(costs_module, "PAIRS_AT_ONCE", 1)
    assert torch.equal(cost_matrices(*args, MatchingCosts()), at_once)


@pytest.mark.parametrize("costs", [(0.0, 0.0, 0.0), (-1.0, 5.0, 2.0), (2.0, math.nan, 2.0), (2.0, 5.0, math.inf)])
def test_costs_that_cannot_rank_are_refused(costs):
    with pytest.raises(SettingsError, match="cost"):
        MatchingCosts(*costs)
