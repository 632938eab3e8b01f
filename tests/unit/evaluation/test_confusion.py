import numpy as np
import pytest

from condetr.evaluation.arrays import ground_truth_of, predicted_objects_of
from condetr.evaluation.confusion import confusion_of
from condetr.evaluation.measure import measure
from condetr.evaluation.tide import Kind, match_detections
from tests.unit.evaluation.scored import columns, detections

CAT, DOG = (0, 10, 10, 30, 30), (1, 60, 60, 80, 80)


def matrix(dataset, *rows, threshold=0.5):
    return measure(dataset, [detections(dataset, rows)], metrics=["confusion"], threshold=threshold).confusion.matrix


def test_rows_are_true_and_columns_predicted(labelled):
    rows = (0, 0.9, *CAT[1:]), (2, 0.9, *DOG[1:]), (2, 0.8, 40, 40, 50, 50)
    assert matrix(labelled([CAT, DOG, (2, 0, 80, 10, 90)]), *rows) == (
        (1, 0, 0, 0),
        (0, 0, 1, 0),
        (0, 0, 0, 1),
        (0, 0, 1, 0),
    )


def test_the_own_class_comes_first_whatever_the_score(labelled):
    result = matrix(labelled([CAT]), (1, 0.9, *CAT[1:]), (0, 0.6, *CAT[1:]))
    assert (result[0], result[3]) == ((1, 0, 0, 0), (0, 1, 0, 0))
    assert matrix(labelled([CAT]), (1, 0.9, *CAT[1:]), (0, 0.4, *CAT[1:]))[0] == (0, 1, 0, 0)


def test_an_object_is_mistaken_once(labelled):
    result = matrix(labelled([CAT]), (1, 0.9, *CAT[1:]), (2, 0.8, *CAT[1:]))
    assert (result[0], result[3]) == ((0, 1, 0, 0), (0, 0, 1, 0))


def test_what_lies_in_a_crowd_is_left_out(labelled):
    assert np.sum(matrix(labelled([CAT, (0, 50, 50, 90, 90, "crowd")]), (0, 0.9, 60, 60, 65, 65))) == 1


@pytest.mark.parametrize("seed", range(5))
def test_every_object_and_every_detection_stands_once(seed):
    truth, found = columns(seed)
    matches = match_detections(truth, found)
    counts = np.array(confusion_of(truth, found, matches, tuple("abcd"), threshold=0.0).matrix)
    np.testing.assert_array_equal(counts[:4].sum(1), np.bincount(truth.labels[~truth.crowd], minlength=4))
    accumulated = found.labels[matches.kinds != Kind.IGNORED]
    np.testing.assert_array_equal(counts[:, :4].sum(0), np.bincount(accumulated, minlength=4))


def test_nothing_found(labelled):
    dataset = labelled([CAT, CAT])
    truth, found = ground_truth_of(dataset), predicted_objects_of([detections(dataset, [])])
    result = confusion_of(truth, found, match_detections(truth, found), dataset.classes.names, threshold=0.5)
    assert result.matrix[0] == (0, 0, 0, 2)
    assert result.to_dict()["names"] == ["cat", "dog", "bird"]
