"""COCO's numbers are those of pycocotools."""

import contextlib
import io
import json
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from condetr.data.coco.writing import write_coco_labels
from condetr.evaluation.arrays import ground_truth_of
from condetr.evaluation.coco_ap import Averages, accumulate, averages_of
from condetr.evaluation.evaluate import evaluate_predictions
from condetr.evaluation.measure import measure
from condetr.evaluation.predictions_file import write_predictions
from condetr.files.new_folder import OutputFolder
from condetr.images.masks.rle import rle_of_mask
from tests.unit.evaluation.conftest import labelled, scenes  # noqa: F401  fixtures
from tests.unit.evaluation.scored import columns, distorted

pytest.importorskip("pycocotools")
TOLERANCE = 1e-6  # we round at the ninth digit
NAMES = [one.name for one in fields(Averages)]  # in the order of the summary of pycocotools


def evaluated(labels, results, kind="bbox"):
    """What pycocotools makes of a COCO dictionary and rows of results."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        objects, found = COCO(), COCO()
        objects.dataset = labels
        objects.createIndex()
        if results:
            found = objects.loadRes(results)
        else:  # which loadRes cannot do
            found.dataset = labels | {"annotations": []}
            found.createIndex()
        result = COCOeval(objects, found, kind)
        result.evaluate()
        result.accumulate()
        result.summarize()
    return result


def of_columns(truth, found, images, classes):
    rows = zip(truth.images, truth.labels, truth.boxes, truth.areas, truth.crowd, strict=True)
    labels = {
        "images": [{"id": number + 1} for number in range(images)],
        "categories": [{"id": number + 1} for number in range(classes)],
        "annotations": [
            {"id": number, "image_id": int(image) + 1, "category_id": int(label) + 1, "bbox": box.tolist()}
            | {"area": float(area), "iscrowd": int(crowd)}
            for number, (image, label, box, area, crowd) in enumerate(rows, start=1)
        ],
    }
    rows = zip(found.images, found.labels, found.boxes, found.scores, strict=True)
    results = [
        {"image_id": int(image) + 1, "category_id": int(label) + 1, "bbox": box.tolist(), "score": float(score)}
        for image, label, box, score in rows
    ]
    return evaluated(labels, results)


def assert_same(averages, theirs):
    ours = [-1 if value is None else value for value in (getattr(averages, name) for name in NAMES)]
    np.testing.assert_allclose(ours, theirs.stats, atol=TOLERANCE)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_random_boxes(seed, ties):
    truth, found = columns(seed, ties=ties)
    ours, theirs = accumulate(truth, found, images=12, classes=4), of_columns(truth, found, 12, 4)
    for name in ("precision", "recall", "scores"):
        np.testing.assert_array_equal(getattr(ours, name), theirs.eval[name])
    if not truth.crowd.all():
        assert_same(averages_of(ours), theirs)


def test_more_detections_than_count():
    truth, found = columns(1, images=2, times=40)
    assert np.bincount(found.images).max() > 100
    assert_same(averages_of(accumulate(truth, found, images=2, classes=4)), of_columns(truth, found, 2, 4))


def test_nothing_found():
    truth, found = columns(2)
    found = found.where(np.zeros(len(found), dtype=bool))
    ours = averages_of(accumulate(truth, found, images=12, classes=4))
    assert (ours.ap, ours.ar100) == (0, 0)
    assert_same(ours, of_columns(truth, found, 12, 4))


def test_nothing_there(labelled):  # noqa: F811
    _, found = columns(3)
    truth = ground_truth_of(labelled(*[[]] * 12))
    theirs = of_columns(truth, found, 12, 4)
    np.testing.assert_array_equal(accumulate(truth, found, images=12, classes=4).precision, theirs.eval["precision"])


@pytest.mark.parametrize("seed", range(3))
def test_files_that_anybody_can_score(scenes, tmp_path, seed):  # noqa: F811
    found = distorted(scenes, seed)
    report = measure(scenes, found, metrics=["ap"])
    assert 0.2 < report.ap < 0.9
    write_coco_labels(scenes, OutputFolder(tmp_path / "labels"), "val")
    write_predictions(tmp_path / "predictions.json", scenes, found)
    labels = json.loads((tmp_path / "labels/annotations/instances_val.json").read_text())
    assert_same(report, evaluated(labels, json.loads((tmp_path / "predictions.json").read_text())))


def outlined(dataset):
    """The same with a mask an object: the ellipse in its box."""
    return replace(dataset, examples=tuple(replace(one, objects=_with_ellipses(one)) for one in dataset))


def _with_ellipses(example):
    return tuple(replace(one, segmentation=rle_of_mask(ellipse(one.box, example.size))) for one in example.objects)


def ellipse(box, size):
    x1, y1, x2, y2 = box
    rows, columns = torch.meshgrid(torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5, indexing="ij")
    away = ((columns - (x1 + x2) / 2) * 2 / max(x2 - x1, 1)) ** 2 + ((rows - (y1 + y2) / 2) * 2 / max(y2 - y1, 1)) ** 2
    return away <= 1


@pytest.mark.parametrize("seed", range(3))
def test_masks(scenes, tmp_path, seed):  # noqa: F811
    dataset, found = outlined(scenes), distorted(scenes, seed)
    masks = [[rle_of_mask(ellipse(box, one.size)) for box in one.boxes.tolist()] for one in found]
    report = measure(dataset, found, metrics=["ap"], masks=masks)
    assert 0.2 < report.masks.ap < 0.9
    assert report.masks.ap != report.ap
    write_coco_labels(dataset, OutputFolder(tmp_path / "labels"), "val")
    write_predictions(tmp_path / "predictions.json", dataset, found, masks)
    labels = json.loads((tmp_path / "labels/annotations/instances_val.json").read_text())
    results = json.loads((tmp_path / "predictions.json").read_text())
    assert_same(report.masks, evaluated(labels, results, "segm"))
    assert evaluate_predictions(tmp_path / "predictions.json", dataset, metrics=["ap"], masks=True) == report


def test_no_mask_is_found(scenes):  # noqa: F811
    dataset, nothing = outlined(scenes), [one[:0] for one in distorted(scenes)]
    report = measure(dataset, nothing, metrics=["ap"], masks=[[] for _ in nothing])
    assert (report.masks.ap, report.masks.ar100) == (0, 0)
