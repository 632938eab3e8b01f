"""Files of predictions score as pycocotools scores them, whatever is in them."""

import json
import tempfile
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from condetr.core.errors import DataError
from condetr.data.discovery.formats import read_dataset
from condetr.evaluation.arrays import ground_truth_of, predicted_objects_of
from condetr.evaluation.evaluate import evaluate_predictions
from condetr.evaluation.predictions_file import read_predictions
from condetr.evaluation.tide import Kind, match_detections
from tests.parity.test_coco_ap import assert_same, evaluated

pytest.importorskip("pycocotools")
SLOW = [HealthCheck.too_slow]  # a machine that others use, too, proves nothing
SIZES = ((64, 48), (33, 70), (1, 1))  # width, height
SCORES = (0.0, 0.25, 0.5, 0.5, 0.9, 1.0, 1.5)

# Tenths, so that an IoU is often a threshold but for the last digit.
edges = st.integers(-300, 900).map(lambda number: number / 10)
lengths = st.sampled_from((0, 1, 7.3, 10, 20)) | st.integers(0, 600).map(lambda number: number / 10)
boxes = st.tuples(edges, edges, lengths, lengths).map(list)
sparse = st.integers(-5, 40) | st.sampled_from((10**9, 2**53))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coco")
    for number, size in enumerate(SIZES):
        for copy in range(2):
            Image.new("RGB", size).save(folder / f"{number}{copy}.png")
    return folder


@st.composite
def annotations(draw, images, categories, *, masks):
    """One more than drawn: an object that a model can learn, so that there is something to measure."""
    rows = [{"image_id": images[0]["id"], "category_id": categories[0], "bbox": [2, 3, 8, 5], "area": 40, "iscrowd": 0}]
    for _ in range(draw(st.integers(0, 8))):
        box = draw(boxes)
        area = draw(st.sampled_from((box[2] * box[3], 0, 1023, 32**2, 5000, 10**5)))
        crowd = draw(st.sampled_from((0, 0, 0, 1)))
        row = {"image_id": draw(st.sampled_from(images))["id"], "category_id": draw(st.sampled_from(categories))}
        rows.insert(draw(st.integers(0, len(rows))), row | {"bbox": box, "area": area, "iscrowd": crowd})
    ids = draw(st.lists(st.integers(1, 99), min_size=len(rows), max_size=len(rows), unique=True))
    for number, row in zip(ids, rows, strict=True):
        row["id"] = number
        if masks:
            row["segmentation"] = draw(outlines(row["bbox"], size_of(images, row), crowd=row["iscrowd"]))
    return rows


def size_of(images, row):
    return next((image["width"], image["height"]) for image in images if image["id"] == row["image_id"])


@st.composite
def outlines(draw, box, size, *, crowd):
    """The box as a polygon, perhaps with a corner cut off, or as runs."""
    x, y, across, down = box
    polygon = [x, y, x + across, y, x + across, y + down, x, y + down]
    if crowd or draw(st.booleans()):
        return runs(box, size)
    return [polygon[: draw(st.sampled_from((6, 8)))]]


def runs(box, size):
    """Uncompressed, as JSON holds them."""
    x, y, across, down = box
    plane = np.zeros(size[::-1], dtype=np.uint8)
    plane[max(0, round(y)) : max(0, round(y + down)), max(0, round(x)) : max(0, round(x + across))] = 1
    flat = plane.flatten(order="F")
    changes = [0, *(np.flatnonzero(np.diff(flat)) + 1).tolist(), len(flat)]
    counts = [end - start for start, end in pairwise(changes)]
    return {"size": [size[1], size[0]], "counts": [0, *counts] if flat[0] else counts}


@st.composite
def results(draw, images, categories, labels, *, masks):
    """Anything, and boxes about the objects; of one image perhaps more than count."""
    rows = []
    for _ in range(draw(st.integers(1, 10))):
        about = draw(st.sampled_from(labels))
        x, y, across, down = about["bbox"]
        across, down = (draw(st.sampled_from((1, 0.5, 0.75, 2))) * length for length in (across, down))
        box = draw(st.just([x, y, across, down]) | boxes)
        row = {"image_id": draw(st.sampled_from((about["image_id"], images[0]["id"]))), "bbox": box}
        row |= {"category_id": draw(st.sampled_from((about["category_id"], *categories)))}
        row |= {"score": draw(st.sampled_from(SCORES))}
        if masks:
            row["segmentation"] = runs(box, size_of(images, row))
        rows += [row] * draw(st.sampled_from((1, 1, 1, 60)))
    return draw(st.permutations(rows)) if len(rows) < 20 else rows


@st.composite
def files(draw, *, masks=False):
    """A COCO file and one of predictions: sparse ids in any order, images without objects or without predictions."""
    ids = draw(st.lists(sparse, min_size=1, max_size=2 * len(SIZES), unique=True))
    names = [f"{position // 2}{position % 2}.png" for position in range(len(ids))]
    images = [
        {"id": number, "file_name": name, "width": SIZES[int(name[0])][0], "height": SIZES[int(name[0])][1]}
        for number, name in zip(ids, names, strict=True)
    ]
    categories = draw(st.lists(sparse, min_size=1, max_size=3, unique=True))
    labels = draw(annotations(images, categories, masks=masks))
    content = {
        "images": images,
        "categories": [{"id": number, "name": f"class {number}"} for number in categories],
        "annotations": labels,
    }
    return content, draw(results(images, categories, labels, masks=masks))


def read(folder, content, rows, *, masks=False):
    (folder / "labels.json").write_text(json.dumps(content))
    (folder / "predictions.json").write_text(json.dumps(rows))
    try:
        return read_dataset(folder / "labels.json", masks=masks), folder / "predictions.json"
    except DataError as error:  # most boxes lie in the first pixel, which is refused as fractions
        assume("fractions of the image" not in error.reason)
        raise


@given(files())
@settings(max_examples=40, deadline=None, suppress_health_check=SLOW)
def test_boxes(folder, both):
    content, rows = both
    dataset, path = read(folder, content, rows)
    report = evaluate_predictions(path, dataset, metrics=["ap", "per-class", "pr"])
    theirs = evaluated(content, rows)
    assert_same(report, theirs)
    for label, (name, result) in enumerate(report.per_class.items()):
        precision = theirs.eval["precision"][:, :, label, 0, -1]
        assert (-1 if result.ap is None else result.ap) == pytest.approx(
            precision[precision > -1].mean() if (precision > -1).any() else -1,
            abs=1e-9,  # as it is reported
        )
        if name in report.curves.by_class:
            np.testing.assert_allclose(report.curves.by_class[name].precision, precision[0], atol=1e-9)


@given(files(masks=True))
@settings(max_examples=25, deadline=None, suppress_health_check=SLOW)
def test_masks(folder, both):
    content, rows = both
    dataset, path = read(folder, content, rows, masks=True)
    report = evaluate_predictions(path, dataset, metrics=["ap"], masks=True)
    assert_same(report, evaluated(content, rows))
    assert_same(report.masks, evaluated(content, rows, "segm"))


@given(files(masks=True))
@settings(max_examples=10, deadline=None, suppress_health_check=SLOW)
def test_masks_without_boxes(folder, both):
    """Whose area and box are then those of the mask."""
    content, rows = both
    rows = [{name: value for name, value in row.items() if name != "bbox"} for row in rows]
    dataset, path = read(folder, content, rows, masks=True)
    report = evaluate_predictions(path, dataset, metrics=["ap"], masks=True)
    assert_same(report, evaluated(content, packed(content, rows)))
    assert_same(report.masks, evaluated(content, packed(content, rows), "segm"))
    again = report.save(tempfile.mkdtemp(dir=folder) + "/report") / "predictions.json"
    assert evaluate_predictions(again, dataset, metrics=["ap"], masks=True) == report


def packed(content, rows):
    """Which pycocotools wants, to find boxes and areas."""
    from pycocotools import mask

    return [row | {"segmentation": mask.frPyObjects(row["segmentation"], *row["segmentation"]["size"])} for row in rows]


@given(files())
@settings(max_examples=25, deadline=None, suppress_health_check=SLOW)
def test_hits_are_those_of_the_counting(folder, both):
    """Of the confusion matrix and the kinds of error, at an IoU of 0.5."""
    content, rows = both
    rows = rows[:100]
    dataset, path = read(folder, content, rows)
    predictions = read_predictions(path, dataset)
    found = predicted_objects_of(predictions.detections, predictions.boxes)
    kinds = match_detections(ground_truth_of(dataset), found).kinds
    theirs = [item for item in evaluated(content, rows).evalImgs if item and item["aRng"] == [0, 10**10]]
    ids = [example.image_id for example in dataset]
    for one in theirs:
        label = dataset.classes.label_of_source[one["category_id"]]
        here = (found.images == ids.index(one["image_id"])) & (found.labels == label)
        ignored, matched = one["dtIgnore"][0].astype(bool), one["dtMatches"][0] > 0
        assert (kinds[here] == Kind.HIT).sum() == (matched & ~ignored).sum()
        assert (kinds[here] == Kind.IGNORED).sum() == ignored.sum()
