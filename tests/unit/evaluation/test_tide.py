import hotcoco
import numpy as np
import pytest

from condetr.evaluation.arrays import ground_truth_of, predicted_objects_of
from condetr.evaluation.error_kinds import costs_of, counts_of
from condetr.evaluation.tide import Kind, match_detections
from tests.unit.evaluation.scored import columns, detections

CAT, DOG = (0, 10, 10, 30, 30), (1, 60, 60, 80, 80)


def matches(dataset, *rows):
    return match_detections(ground_truth_of(dataset), predicted_objects_of([detections(dataset, rows)]))


def kinds(matches):
    return [Kind(number).word for number in matches.kinds]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ((0, 0.9, 10, 10, 30, 30), "hit"),
        ((0, 0.9, 10, 10, 30, 20), "hit"),  # an IoU of 0.5 is enough
        ((0, 0.9, 10, 10, 30, 19), "localisation"),
        ((0, 0.9, 10, 10, 30, 12), "localisation"),  # and 0.1 to be about the object
        ((0, 0.9, 10, 10, 30, 11), "background"),
        ((1, 0.9, 10, 10, 30, 30), "classification"),
        ((1, 0.9, 10, 10, 30, 19), "both"),
        ((2, 0.9, 40, 40, 50, 50), "background"),
    ],
)
def test_one_detection(labelled, row, kind):
    result = matches(labelled([CAT, DOG]), row)
    assert kinds(result) == [kind]
    assert result.hit.tolist() == [kind == "hit", False]
    assert result.missed.tolist() == [kind in ("both", "background"), True]


def test_the_better_detection_has_the_object(labelled):
    result = matches(labelled([CAT]), (0, 0.6, 10, 10, 30, 30), (0, 0.9, 10, 10, 30, 25))
    assert kinds(result) == ["duplicate", "hit"]
    assert result.about.tolist() == [0, 0]


def test_each_takes_the_free_object_that_it_overlaps_most(labelled):
    dataset = labelled([(0, 10, 10, 30, 30), (0, 14, 10, 34, 30)])
    result = matches(dataset, (0, 0.9, 13, 10, 33, 30), (0, 0.8, 13, 10, 33, 30), (0, 0.7, 13, 10, 33, 30))
    assert (kinds(result), result.about.tolist()) == (["hit", "hit", "duplicate"], [1, 0, 1])


def test_localisation_comes_before_classification(labelled):
    """TIDE's order: the class was right for an object near by."""
    dataset = labelled([(0, 10, 10, 30, 30), (1, 10, 10, 30, 18)])
    result = matches(dataset, (1, 0.9, 10, 10, 30, 30))
    assert (kinds(result), result.about.tolist(), result.mistaken.tolist()) == (["localisation"], [1], [0])


def test_a_crowd_is_nothing_to_find_and_no_error_to_find_something_in(labelled):
    dataset = labelled([CAT, (0, 50, 50, 90, 90, "crowd")])
    inside, half, other = (0, 0.9, 60, 60, 65, 65), (0, 0.8, 45, 50, 55, 60), (1, 0.7, 60, 60, 65, 65)
    result = matches(dataset, inside, half, other, (0, 0.6, 40, 50, 50.5, 60))
    assert kinds(result) == ["ignored", "ignored", "background", "background"]
    assert result.missed.tolist() == [True, False]


def test_nothing_but_a_crowd(labelled):
    result = matches(labelled([(0, 50, 50, 90, 90, "crowd")]), (0, 0.9, 60, 60, 65, 65), (1, 0.9, 60, 60, 65, 65))
    assert (kinds(result), result.missed.tolist()) == (["ignored", "background"], [False])


def test_images_do_not_mix(labelled):
    dataset = labelled([], [CAT], [], [DOG])
    here, cat, dog = [], [(0, 0.9, *CAT[1:])], [(1, 0.9, *DOG[1:])]
    found = [detections(dataset, rows, number) for number, rows in enumerate((dog, cat, cat, here))]
    result = match_detections(ground_truth_of(dataset), predicted_objects_of(found))
    assert kinds(result) == ["background", "hit", "background"]
    assert (result.hit.tolist(), result.missed.tolist()) == ([True, False], [False, True])


def test_nothing_at_all(labelled):
    dataset = labelled([], [])
    result = match_detections(
        ground_truth_of(dataset), predicted_objects_of([detections(dataset, []), detections(dataset, [])])
    )
    assert (len(result.kinds), len(result.missed)) == (0, 0)


@pytest.mark.parametrize("seed", range(8))
def test_counts_and_costs_are_those_of_tide(seed):
    """Of hotcoco's, which takes crowds for objects, so there are none here; and every class has a hit."""
    truth, found = columns(seed, crowds=0)
    matches = match_detections(truth, found)
    objects = hotcoco.COCO.from_arrays(
        [{"id": number + 1} for number in range(12)],
        [{"id": number + 1, "name": str(number)} for number in range(4)],
        truth.images + 1,
        truth.labels + 1,
        truth.boxes,
        area=truth.areas,
    )
    rows = np.column_stack((found.images + 1, found.boxes, found.scores, found.labels + 1))
    theirs = hotcoco.COCOeval(objects, objects.load_res(rows), "bbox")
    theirs.evaluate()
    theirs.accumulate()
    theirs = theirs.tide_errors()
    words = dict(zip(("Cls", "Loc", "Both", "Dupe", "Bkg", "Miss"), counts_of(matches), strict=True))
    assert counts_of(matches) == {word: theirs["counts"][key] for key, word in words.items()}
    costs = costs_of(truth, found, matches, images=12, classes=4)
    assert costs == pytest.approx({word: theirs["delta_ap"][key] for key, word in words.items()}, abs=1e-8)
