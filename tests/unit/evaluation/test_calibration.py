import numpy as np
import pytest

from condetr.evaluation.calibration import calibration_of
from condetr.evaluation.measure import measure
from condetr.evaluation.tide import Kind, match_detections
from tests.unit.evaluation.scored import columns, detections

CAT, DOG = (0, 10, 10, 30, 30), (1, 60, 60, 80, 80)
NAMES = tuple("abcd")


def test_ece_by_hand(labelled):
    """Of 0.9 (a hit) and 0.85 (none) half are right, instead of 0.875; of 0.25, all. The dog's 0.05 is too low."""
    dataset = labelled([CAT, (0, 50, 10, 70, 30), DOG])
    rows = (0, 0.9, *CAT[1:]), (0, 0.85, 0, 60, 20, 90), (0, 0.25, 50, 10, 70, 30), (1, 0.05, *DOG[1:])
    calibration = measure(dataset, [detections(dataset, rows)], metrics=["calibration"]).calibration
    cat = calibration.by_class["cat"]
    assert cat.detections == (0, 0, 1, 0, 0, 0, 0, 0, 2, 0)
    assert (cat.scores[8], cat.precision[8], cat.precision[2], cat.scores[0]) == (0.875, 0.5, 1, None)
    assert cat.ece == calibration.ece == pytest.approx((2 * 0.375 + 0.75) / 3)
    assert calibration.by_class["dog"].ece is None
    assert calibration.mean_ece == cat.ece
    assert calibration.to_dict()["per_class"]["cat"]["detections"] == list(cat.detections)


def test_detections_in_a_crowd_are_left_out(labelled):
    dataset = labelled([CAT, (0, 50, 50, 90, 90, "crowd")])
    rows = (0, 0.9, *CAT[1:]), (0, 0.9, 60, 60, 80, 80)
    calibration = measure(dataset, [detections(dataset, rows)]).calibration
    assert sum(calibration.overall.detections) == 1
    assert calibration.ece == pytest.approx(0.1)


@pytest.mark.parametrize("seed", range(5))
def test_ece_is_that_of_a_plain_loop(seed):
    truth, predicted = columns(seed, ties=seed % 2 == 0)
    matches = match_detections(truth, predicted)
    calibration = calibration_of(predicted, matches, NAMES)
    errors = []
    for label, name in enumerate(NAMES):
        total, gap = 0, 0.0
        for edge in range(10):
            low, high = edge / 10, (edge + 1) / 10
            inside = [
                (score, kind == Kind.HIT)
                for score, kind, its in zip(predicted.scores, matches.kinds, predicted.labels, strict=True)
                if its == label and max(low, 0.05) < score <= high and kind != Kind.IGNORED
            ]
            total += len(inside)
            if inside:
                gap += abs(sum(hit for _, hit in inside) - sum(score for score, _ in inside))
        assert calibration.by_class[name].ece == (pytest.approx(gap / total) if total else None)
        errors += [gap / total] if total else []
    assert calibration.mean_ece == pytest.approx(np.mean(errors))


def test_scores_that_are_right_have_no_error():
    """Ten thousand detections, each right with the probability of its score."""
    rng = np.random.default_rng(0)
    truth, predicted = columns(0)
    scores = rng.random(10_000)
    rows = np.zeros(10_000, dtype=np.int64)
    predicted = type(predicted)(rows, rows, np.zeros((10_000, 4)), scores)
    kinds = np.where(rng.random(10_000) < scores, Kind.HIT, Kind.BACKGROUND).astype(np.int64)
    matches = match_detections(truth, columns(0)[1])
    matches = type(matches)(kinds, rows, rows, matches.hit, matches.missed)
    assert calibration_of(predicted, matches, NAMES).ece < 0.02
