import pytest

from condetr.evaluation.measure import measure
from tests.unit.evaluation.scored import detections

CAT, DOG = (0, 10, 10, 30, 30), (1, 60, 60, 80, 80)


def errors(dataset, *rows, threshold=0.5):
    return measure(dataset, [detections(dataset, rows)], metrics=["errors"], threshold=threshold).errors


@pytest.mark.parametrize(
    ("rows", "kind", "cost"),
    [
        ([(1, 0.9, *CAT[1:]), (1, 0.8, *DOG[1:])], "classification", 0.75),  # no cat, dogs at half precision
        ([(0, 0.9, 10, 10, 30, 19), (1, 0.8, *DOG[1:])], "localisation", 0.5),
        ([(0, 0.9, *CAT[1:]), (0, 0.8, 60, 60, 80, 69), (1, 0.7, *DOG[1:])], "both", 0.0),  # it comes too late to cost
        ([(1, 0.9, *DOG[1:]), (0, 0.9, 40, 40, 50, 50), (0, 0.8, *CAT[1:])], "background", 0.25),
        ([(0, 0.9, *CAT[1:])], "missed", 0.5),  # although nothing of the class was ever found
    ],
)
def test_one_error(labelled, rows, kind, cost):
    found = errors(labelled([CAT, DOG]), *rows)
    assert {name for name, count in found.counts.items() if count} == {kind}
    assert found.costs[kind] == pytest.approx(cost, abs=1e-6)


def test_duplicates_cost_when_they_come_before_others(labelled):
    dataset = labelled([CAT, (0, 60, 60, 80, 80)])
    found = errors(dataset, (0, 0.9, *CAT[1:]), (0, 0.8, *CAT[1:]), (0, 0.7, *DOG[1:]))
    assert found.counts["duplicate"] == 1
    assert found.costs["duplicate"] == pytest.approx(50 / 101 * (1 - 2 / 3), abs=1e-6)


def test_one_repair_an_object(labelled):
    """Two detections of the wrong class on one object cannot both be put right."""
    found = errors(labelled([CAT]), (1, 0.9, *CAT[1:]), (2, 0.8, *CAT[1:]))
    assert (found.counts["classification"], found.costs["classification"]) == (2, 1)


def test_counts_are_above_the_threshold_and_costs_at_any_score(labelled):
    dataset, rows = labelled([CAT, DOG]), [(0, 0.9, *CAT[1:]), (1, 0.4, 60, 60, 80, 69)]
    low, high = errors(dataset, *rows, threshold=0.3), errors(dataset, *rows)
    assert (low.counts["localisation"], low.counts["missed"]) == (1, 0)
    assert (high.counts["localisation"], high.counts["missed"]) == (0, 1)
    assert low.costs == high.costs
    assert (high.hits, high.objects) == (1, 2)
    assert high.to_dict()["threshold"] == 0.5
