import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from condetr.core.errors import DataError, ImageError, UsageError
from condetr.data.discovery.formats import read_dataset
from condetr.data.label_studio.regions import DEFAULT
from condetr.images.detections import Detections
from condetr.images.masks.polygons import mask_of_polygons
from condetr.prediction.predictor import Failure
from condetr.prediction.thresholds import Thresholds, thresholds_of
from condetr.workflows.labeling import label

NAMES = {0: "N/A", 1: "cat", 2: "dog", 3: "N/A", 4: "bird, small"}
SIZE = (40, 60)


def detections(path, *rows, masks=None):
    boxes = torch.tensor([row[0] for row in rows], dtype=torch.float32).reshape(-1, 4)
    scores = torch.tensor([row[1] for row in rows], dtype=torch.float32)
    labels = torch.tensor([row[2] for row in rows], dtype=torch.int64)
    names = tuple(NAMES[row[2]] for row in rows)
    return Detections(boxes, scores, labels, names, SIZE, str(path), masks=masks)


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / "photos" / name for name in ("a.jpg", "b/a.jpg", "c.png")]
    for seed, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    return paths


@pytest.fixture
def found(files):
    return [
        detections(files[0], ((1, 2, 30, 20.5), 0.9, 4), ((5, 5, 20, 30), 0.6, 1), ((5, 5, 20, 31), 0.45, 2)),
        detections(files[1], ((0, 0, 60, 40), 0.7, 2)),
        detections(files[2], ((1, 1, 9, 9), 0.3, 1)),
    ]


HALF = Thresholds(0.5, {})


def labeled(results, output, to="coco", thresholds=HALF, source_ids=None, **options):
    return label(
        results, output, to=to, names=NAMES, source_ids=source_ids, thresholds=thresholds, model="runs/a", **options
    )


@pytest.mark.parametrize("to", ["coco", "yolo", "voc"])
def test_objects_and_classes_come_back(found, files, tmp_path, to):
    result = labeled(found, tmp_path / "out", to)
    assert (result.images, result.objects, result.failures) == (3, 3, ())
    back = read_dataset(tmp_path / "out")
    assert back.split == "train"
    names = {"cat", "dog", "bird, small"}
    assert set(back.classes.names) == names
    boxes = {
        (path.size, back.classes.names[labeled.label], tuple(round(side, 3) for side in labeled.box))
        for path in back
        for labeled in path.objects
    }
    assert boxes == {
        (SIZE, "bird, small", (1, 2, 30, 20.5)),
        (SIZE, "cat", (5, 5, 20, 30)),
        (SIZE, "dog", (0, 0, 60, 40)),
    }
    assert {example.path.stat().st_ino for example in back} == {path.stat().st_ino for path in files}, "links"


def test_scores_are_beside_the_labels(found, tmp_path):
    labeled(found, tmp_path / "out", "yolo")
    (file,) = (tmp_path / "out/labels/train").glob("c.txt")
    assert file.read_text() == ""
    lines = [path.read_text() for path in sorted((tmp_path / "out/labels/train").iterdir())]
    assert all(len(line.split()) == 5 for text in lines for line in text.splitlines())
    rows = list(csv.DictReader((tmp_path / "out/scores.csv").read_text().splitlines()))
    assert [(row["name"], round(float(row["score"]), 3)) for row in rows] == [
        ("bird, small", 0.9),
        ("cat", 0.6),
        ("dog", 0.7),
    ]


def test_ids_are_those_of_the_models_dataset(found, tmp_path):
    labeled(found, tmp_path / "out")
    content = json.loads((tmp_path / "out/annotations/instances_train.json").read_text())
    assert [(c["id"], c["name"]) for c in content["categories"]] == [(1, "cat"), (2, "dog"), (4, "bird, small")]
    labeled(found, tmp_path / "other", source_ids=(0, 7, 8, 9, 90))
    content = json.loads((tmp_path / "other/annotations/instances_train.json").read_text())
    assert [category["id"] for category in content["categories"]] == [7, 8, 90]


def test_each_class_has_its_threshold(found, tmp_path):
    result = labeled(found, tmp_path / "out", thresholds=Thresholds(0.65, {1: 0.2, 2: 0.44}))
    back = read_dataset(tmp_path / "out")
    counts = [[back.classes.names[one.label] for one in example.objects] for example in back]
    assert counts == [["bird, small", "cat", "dog"], ["dog"], ["cat"]]
    assert result.objects == 5


def test_masks_become_polygons(files, tmp_path):
    masks = torch.zeros(2, *SIZE, dtype=torch.bool)
    masks[0, 5:25, 10:30] = True
    masks[0, 10:15, 15:20] = False  # a hole
    masks[1, 2:8, 2:8] = True
    masks[1, 20:30, 40:50] = True  # a second part
    result = detections(files[0], ((10, 5, 30, 25), 0.9, 1), ((2, 2, 50, 30), 0.8, 2), masks=masks)
    for to, count in (("coco", 2), ("yolo", 1)):
        labeled([result], tmp_path / to, to, tolerance=0)
        back = read_dataset(tmp_path / to, masks=True)
        polygons = [one.segmentation for one in back[0].objects]
        assert [len(each) for each in polygons] == [1, count]
        for polygon, mask in zip(polygons, masks, strict=True):
            assert mask_of_polygons(polygon, SIZE).equal(mask)
    labeled([result], tmp_path / "cvat", "cvat")
    assert (tmp_path / "cvat/annotations.xml").read_text().count("<polygon ") == 2
    labeled([result], tmp_path / "label-studio", "label-studio")
    (task,) = json.loads((tmp_path / "label-studio/tasks.json").read_text())
    assert {region["from_name"] for region in task["predictions"][0]["result"]} == {DEFAULT.polygons}
    assert task["predictions"][0]["model_version"] == "runs/a"


def test_what_failed_is_left_out_and_counted(found, tmp_path):
    failure = Failure("bad.jpg", ImageError("is empty", source="bad.jpg"))
    result = labeled([found[0], failure], tmp_path / "out")
    assert (result.images, result.failures) == (1, (failure,))
    with pytest.raises(DataError, match=r"there is no image to label; the first reason is: bad.jpg: is empty"):
        labeled([failure], tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_an_output_among_the_images_or_in_use_is_refused(found, files, tmp_path):
    with pytest.raises(UsageError, match="a folder of the images"):
        labeled(found, files[0].parent / "out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/precious.txt").write_text("keep")
    with pytest.raises(UsageError, match="not an empty folder"):
        labeled(found, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["precious.txt"]


def test_only_image_files_are_labeled(tmp_path):
    with pytest.raises(UsageError, match="is not an image file"):
        labeled([detections("image 1", ((1, 1, 5, 5), 0.9, 1))], tmp_path / "out")


def test_nothing_is_left_of_a_run_that_fails(found, tmp_path):
    def results():
        yield found[0]
        raise RuntimeError("power failure")

    with pytest.raises(RuntimeError):
        labeled(results(), tmp_path / "deep/out")
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize(
    ("threshold", "default", "of_class"),
    [
        (0.3, 0.3, {}),
        (1, 1.0, {}),
        ({"cat": 0.4}, 0.5, {1: 0.4}),
        (("0.7", "bird, small=0.2"), 0.7, {4: 0.2}),
        (("dog=0.25",), 0.5, {2: 0.25}),
    ],
)
def test_thresholds(threshold, default, of_class):
    thresholds = thresholds_of(threshold, NAMES)
    assert (thresholds.default, thresholds.of_class) == (default, of_class)
    assert thresholds.lowest == min(default, *of_class.values(), default)


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        (1.5, "threshold: is 1.5, expected a number from 0 to 1"),
        (float("nan"), "expected a number from 0 to 1"),
        ({"cow": 0.4}, "the model has no class 'cow'"),
        (("high",), "is 'high', expected a number, or CLASS=NUMBER"),
        (("cat=2",), "threshold of cat: is 2"),
        (("0.5", "0.6"), "has two values for all classes"),
        (("cat=0.5", "cat=0.6"), "has two values for cat"),
    ],
)
def test_thresholds_that_are_refused(threshold, message):
    with pytest.raises(UsageError, match=message):
        thresholds_of(threshold, NAMES)


def test_paths_are_absolute(found, files, tmp_path, monkeypatch):
    monkeypatch.chdir(files[0].parent)
    result = detections("a.jpg", ((1, 1, 5, 5), 0.9, 1))
    labeled([result], tmp_path / "out")
    assert Path(read_dataset(tmp_path / "out")[0].path).samefile(files[0])
