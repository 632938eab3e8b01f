import json
import pickle
import random
from dataclasses import replace

import pytest

from condetr.core.distributed import merge_shards
from condetr.core.errors import DataError, GateError, ImageError
from condetr.data.records import Annotated
from condetr.evaluation.measure import measure
from condetr.evaluation.report import DEFAULT_METRICS
from condetr.prediction.predictor import Failure
from tests.unit.evaluation.scored import detections, distorted, perfect

CAT, DOG = (0, 10, 10, 30, 30), (1, 60, 60, 80, 80)


def test_perfect(scenes):
    report = measure(scenes, perfect(scenes))
    assert (report.ap, report.ap50, report.ap75, report.ap_small, report.ap_medium, report.ar) == (1,) * 6
    assert (report.ap_large, report.ar_large) == (None, None)
    assert {result.ap for result in report.per_class.values()} == {1}
    assert set(report.curves.mean_precision()) == {1}
    assert sum(report.errors.counts.values()) == sum(report.errors.costs.values()) == 0
    objects = sum(len(example.objects) for example in scenes)
    assert sum(row[label] for label, row in enumerate(report.confusion.matrix)) == objects == report.errors.hits


def test_nothing_found(scenes):
    report = measure(scenes, [detections(scenes, [], number) for number in range(len(scenes))])
    assert (report.ap, report.ap50, report.ar) == (0, 0, 0)
    assert report.errors.counts["missed"] == report.errors.objects
    assert {result.threshold for result in report.per_class.values()} == {None}


def test_by_size(labelled):
    dataset = labelled([(0, 0, 0, 20, 20), (0, 30, 30, 80, 80)])
    report = measure(dataset, [detections(dataset, [(0, 0.9, 30, 30, 80, 80)])])
    assert (report.ap_small, report.ap_medium, report.ap_large) == (0, 1, None)
    assert (report.ar_small, report.ar_medium, report.ar) == (0, 1, 0.5)


def test_a_class_without_objects_does_not_count(labelled):
    dataset = labelled([CAT])
    report = measure(dataset, [detections(dataset, [(0, 0.9, *CAT[1:]), (2, 0.8, *DOG[1:])])])
    assert report.ap == 1
    bird = report.per_class["bird"]
    assert (bird.objects, bird.detections, bird.ap, bird.ar, bird.precision) == (0, 1, None, None, None)
    assert list(report.curves.by_class) == ["cat"]


def test_image_ids_decide_between_equal_scores(labelled):
    """Not the order of the images, and whichever order they are in."""
    dataset = labelled([], [CAT])  # of ids 7 and 17
    rows = [(0, 0.5, *DOG[1:]), (0, 0.5, *CAT[1:])]
    found = [detections(dataset, [row], position) for position, row in enumerate(rows)]
    assert measure(dataset, found).ap == 0.5
    turned = dataset.subset([1, 0])
    report = measure(turned, found[::-1])
    assert (report.ap, report.found, report.dataset) == (0.5, tuple(found[::-1]), report.dataset)
    ids = [replace(item, image_id=number) for item, number in zip(turned, (3, 2**40), strict=True)]
    assert measure(replace(turned, examples=tuple(ids)), found[::-1]).ap == 1


def test_the_whole_box_counts_and_the_report_says_so(labelled):
    dataset = labelled([CAT])
    whole = Annotated(-10.0, 10.0, 40.0, 20.0, 800.0)
    out = replace(dataset[0].objects[0], box=(0.0, 10.0, 30.0, 30.0), annotated=whole)
    dataset = replace(dataset, examples=(replace(dataset[0], objects=(out,)),))
    assert measure(dataset, [detections(dataset, [(0, 0.5, -10, 10, 30, 30)])]).ap == 1
    clipped = measure(dataset, [detections(dataset, [(0, 0.5, 0, 10, 30, 30)])])
    assert (clipped.ap50, clipped.ap75, clipped.ap) == (1, 1, 0.6)  # an IoU of 0.75
    assert clipped.notes == (
        "boxes that reach over the edge of their image: 1; AP uses the whole boxes, as pycocotools does",
    )
    lost = replace(dataset, examples=(replace(dataset[0], lost=(out,)),))
    report = measure(lost, [detections(dataset, [(0, 0.5, -10, 10, 30, 30)])])
    assert (report.ar, report.per_class["cat"].objects) == (0.5, 2)
    assert "without area, outside of their image or without a usable mask: 1" in report.notes[1]


def test_crowds_are_no_objects(labelled):
    dataset = labelled([CAT, (0, 50, 50, 90, 90, "crowd")])
    report = measure(dataset, perfect(dataset))
    assert (report.ap, report.ar, report.per_class["cat"].objects, report.errors.objects) == (1, 1, 1, 1)
    assert report.to_dict()["data"]["crowds"] == 1


def test_the_best_threshold(labelled):
    """One of two cats is found at 0.8, a third is imagined at 0.7, the second found at 0.6: all are worth keeping."""
    dataset = labelled([CAT, (0, 60, 60, 80, 80)])
    rows = (0, 0.8, *CAT[1:]), (0, 0.7, 40, 0, 50, 10), (0, 0.6, *DOG[1:]), (0, 0.5, 0, 40, 5, 50)
    cat = measure(dataset, [detections(dataset, rows)]).per_class["cat"]
    assert (cat.threshold, cat.recall, cat.precision) == (0.6, 1, pytest.approx(2 / 3))
    assert cat.ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_an_image_that_failed_does_not_count(labelled):
    dataset = labelled([CAT], [CAT, DOG])
    failure = Failure("1.png", ImageError("is empty", source="1.png"))
    report = measure(dataset, [detections(dataset, [(0, 0.9, *CAT[1:])]), failure])
    assert (report.ap, len(report.dataset), report.failures) == (1, 1, (failure,))
    assert report.to_dict()["failures"][0]["reason"] == "is empty"
    assert report.to_dict()["data"]["objects"] == 1


@pytest.mark.parametrize("rows", [[], [(0, 50, 50, 90, 90, "crowd")]])
def test_nothing_to_find(labelled, rows):
    dataset = labelled(rows, [])
    with pytest.raises(DataError, match="val has no object in 2 images, so there is no AP"):
        measure(dataset, perfect(dataset))


def test_two_classes_of_one_name(labelled):
    with pytest.raises(DataError, match="two classes are called 'cat'"):
        measure(labelled([CAT], names=("cat", "cat")), [])


def test_the_gate(scenes):
    report = measure(scenes, perfect(scenes), metrics=["ap"])
    report.require(1.0)
    with pytest.raises(GateError, match=r"AP is 0\.\d{4}, expected at least 0\.95") as caught:
        measure(scenes, distorted(scenes), metrics=["ap"]).require(0.95)
    assert caught.value.exit_status == 8


@pytest.mark.parametrize("metric", DEFAULT_METRICS)
def test_only_what_is_asked_for(scenes, metric):
    report = measure(scenes, distorted(scenes), metrics=[metric])
    parts = {
        "per-class": "per_class",
        "pr": "curves",
        "confusion": "confusion",
        "errors": "errors",
        "calibration": "calibration",
    }
    measured = [key for key, name in parts.items() if getattr(report, name) is not None]
    assert measured == [key for key in parts if key == metric]
    assert [name for name in report.to_dict() if name in parts.values()] == [parts[key] for key in measured]


def test_json_has_no_infinities_and_training_no_missing_numbers(scenes):
    report = measure(scenes, distorted(scenes))
    record = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert (record["ap"], record["ap_large"]) == (report.ap, None)
    assert record["per_class"]["7"]["ap"] == report.per_class["7"].ap
    assert "ap_large" not in report.averages()
    assert all(type(value) is float for value in report.averages().values())


def test_the_order_of_evaluation_changes_nothing(scenes):
    found = distorted(scenes)
    whole = measure(scenes, found)
    for seed in range(3):
        shuffled = list(range(len(scenes)))
        random.Random(seed).shuffle(shuffled)
        parts = [{position: found[position] for position in shuffled[rank::3]} for rank in range(3)]
        assert measure(scenes, merge_shards(parts, len(scenes))) == whole


def test_failures_travel():
    failure = Failure("a.png", ImageError("is empty", source="a.png", hint="remove it"))
    assert pickle.loads(pickle.dumps(failure)).to_dict() == failure.to_dict()
