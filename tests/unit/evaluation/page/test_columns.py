from base64 import b64decode

import numpy as np
import pytest

from condetr.core.errors import UsageError
from condetr.evaluation.arrays import ground_truth_of, predicted_objects_of
from condetr.evaluation.page.columns import detection_columns, object_columns, steps_of
from condetr.evaluation.tide import match_detections
from tests.unit.evaluation.scored import detections


def decoded(text, dtype):
    return np.frombuffer(b64decode(text), dtype)


def test_a_step_exceeds_a_threshold_where_the_score_does():
    """Also for scores that are exactly a threshold, in float32 and float64."""
    grid = np.arange(1001) / 1000
    scores = np.concatenate((grid, grid.astype(np.float32).astype(np.float64), np.random.default_rng(0).random(500)))
    steps = steps_of(scores)
    for threshold in range(1001):
        assert ((steps > threshold) == (scores > threshold / 1000)).all()


def test_columns_hold_what_was_measured(labelled):
    """Of 100 x 100 pixels; one object reaches over the edge, and the second image has none."""
    dataset = labelled([(0, 10, 10, 30, 30), (2, 60, 50, 120, 80, "crowd")], [], [(1, 0, 0, 50, 100)])
    rows = (0, 0.9, 10, 10, 30, 30), (1, 0.5, 0, 50, 20, 70)
    found = [detections(dataset, rows), detections(dataset, [], 1), detections(dataset, [(2, 0.3, 0, 0, 50, 100)], 2)]
    truth, predicted = ground_truth_of(dataset), predicted_objects_of(found)
    matches = match_detections(truth, predicted)
    objects, columns = object_columns(truth, dataset), detection_columns(predicted, matches, dataset)
    assert decoded(objects["starts"], "<u4").tolist() == [0, 2, 2, 3]
    assert decoded(objects["labels"], "<u2").tolist() == [0, 2, 1]
    assert decoded(objects["crowd"], "u1").tolist() == [0, 1, 0]
    boxes = decoded(objects["boxes"], "<u2").reshape(-1, 4) / 65535 * 100
    assert boxes == pytest.approx(np.array([(10, 10, 30, 30), (60, 50, 100, 80), (0, 0, 50, 100)]), abs=1e-3)
    assert decoded(columns["starts"], "<u4").tolist() == [0, 2, 2, 3]
    assert decoded(columns["scores"], "<u2").tolist() == [900, 500, 300]
    assert decoded(columns["kinds"], "u1").tolist() == matches.kinds.tolist()
    assert decoded(columns["about"], "<u4").tolist() == [1, 0, 3]


def test_more_classes_than_a_column_can_tell_apart_are_refused(labelled):
    dataset = labelled([(0, 10, 10, 30, 30)], names=tuple(map(str, range(2**16 + 1))))
    with pytest.raises(UsageError, match="there are 65537 classes"):
        object_columns(ground_truth_of(dataset), dataset)
