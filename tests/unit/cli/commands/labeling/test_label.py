import csv
import json

import pytest

import condetr as package
from condetr.checkpoints.saving import save
from condetr.data.discovery.formats import read_dataset
from tests.tiny import LABELS, PREPROCESSING, tiny_segmenter

THRESHOLD = 0.3


@pytest.mark.parametrize("to", ["coco", "yolo", "voc", "cvat", "label-studio"])
def test_label_check_evaluate(condetr, condetr_json, model, photos, tmp_path, to):
    words = ("label", photos, "--model", model, "--threshold", THRESHOLD)
    status, answer, err = condetr_json(*words, "--output", "out", "--format", to)
    assert status == 4
    assert "bad1.jpg" in err
    assert answer["counts"]["images"] == 3
    assert len(answer["failures"]) == 2
    back = read_dataset(tmp_path / "out")
    expected = package.load(model).predict(photos, threshold=THRESHOLD, on_error="collect")
    expected = {result.source.rpartition("/")[2]: result for result in expected if hasattr(result, "boxes")}
    for example in back:
        result = expected[example.path.name]
        assert [back.classes.names[one.label] for one in example.objects] == list(result.names)
        within = 6e-3 if to == "cvat" else 1e-3
        boxes = [pytest.approx(box, abs=within) for box in map(tuple, result.boxes.tolist())]
        assert [tuple(one.box) for one in example.objects] == boxes
    assert answer["counts"]["objects"] == sum(map(len, expected.values())) > 3
    status, answer, _ = condetr_json("data", "check", "out")
    assert (status, answer["usable"], answer["format"]) == (0, True, to)
    status, answer, _ = condetr_json("evaluate", "out", "--model", model, "--split", back.split)
    assert status == 0


def test_thresholds_of_classes_and_files_of_other_tools(condetr, model, photos, tmp_path):
    words = ("label", photos / "a.png", photos / "b.png", "--model", model)
    status, out, err = condetr(
        *words, "--threshold", "0.9", "--threshold", "cat=0.1", "--output", "ls", "--format", "label-studio"
    )
    assert status == 0
    assert "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT" in err
    tasks = json.loads((tmp_path / "ls/tasks.json").read_text())
    names = {name for task in tasks for r in task["predictions"][0]["result"] for name in r["value"]["rectanglelabels"]}
    assert names == {"cat"}
    assert out.startswith("ls: 2 images, ")
    (tmp_path / "settings.yaml").write_text("threshold: 0.9,cat=0.1\nformat: cvat\noutput: cvat\n")
    assert condetr(*words, "--config", "settings.yaml")[0] == 0
    assert (tmp_path / "cvat/annotations.xml").read_text().count('label="cat"') == sum(
        len(task["predictions"][0]["result"]) for task in tasks
    )
    assert len(list(csv.DictReader((tmp_path / "cvat/scores.csv").read_text().splitlines()))) > 0


def test_a_segmenter_writes_polygons(condetr, photos, tmp_path):
    save(tmp_path / "segmenter", tiny_segmenter(), LABELS, preprocessing=PREPROCESSING.to_dict())
    words = ("label", photos / "a.png", "--model", "segmenter", "--threshold", "0.2")
    assert condetr(*words, "--output", "masks")[0] == 0
    content = json.loads((tmp_path / "masks/annotations/instances_train.json").read_text())
    assert any("segmentation" in annotation for annotation in content["annotations"])
    assert condetr(*words, "--output", "boxes", "--task", "detect")[0] == 0
    content = json.loads((tmp_path / "boxes/annotations/instances_train.json").read_text())
    assert not any("segmentation" in annotation for annotation in content["annotations"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "output: is required: a new folder"),
        (["--output", "photos/out"], "a folder of the images"),
        (["--output", "out", "--threshold", "cow=0.5"], "no class 'cow'"),
        (["--output", "out", "--task", "panoptic"], "labels are boxes (detect) or instances"),
        (["--output", "out", "--format", "xml"], "is 'xml', expected one of coco, yolo, voc, cvat, label-studio"),
        (["--output", "out", "--split", "a b"], "'a b' cannot name files"),
        (["--output", "photos"], "exists and is not an empty folder"),
    ],
)
def test_what_cannot_be_done_is_refused(condetr, model, photos, tmp_path, words, message):
    status, out, err = condetr("label", photos / "a.png", "--model", model, *words)
    assert (status, out) == (2, "")
    assert message in err
    assert not (tmp_path / "out").exists()


def test_videos_and_missing_files_are_refused(condetr, model, tmp_path):
    (tmp_path / "a.mp4").touch()
    for source, message in (("a.mp4", "is a video or camera"), ("gone.jpg", "cannot be read")):
        status, _, err = condetr("label", source, "--model", model, "--output", "out")
        assert status == 2
        assert message in err
