import json
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from condetr.checkpoints.saving import save
from condetr.cli.commands.evaluate import EvaluateSettings
from condetr.data.classes import Classes
from condetr.data.coco.writing import write_coco_labels
from condetr.data.demo.scene_folder import write_scenes
from condetr.data.discovery.formats import read_splits
from condetr.data.records import Dataset
from condetr.evaluation.report import METRICS
from condetr.files.new_folder import OutputFolder
from tests.tiny import PREPROCESSING, tiny_detector, tiny_segmenter


@pytest.fixture
def data(tmp_path):
    """Six scenes whose digits are called as the tiny model's classes are; COCO's ids start at 5."""
    scenes = write_scenes(tmp_path / "scenes", train=0, val=6)["val"]
    examples = []
    for example in scenes:
        objects = tuple(type(labeled)(labeled.label % 3, labeled.box, labeled.area) for labeled in example.objects)
        examples.append(type(example)(example.path, example.size, example.image_id, objects))
    named = Dataset(tuple(examples), Classes(("bird", "cat", "dog"), (5, 6, 9)), scenes.root, "val")
    (tmp_path / "scenes/annotations/instances_val.json").unlink()
    labels = OutputFolder(tmp_path / "new")
    write_coco_labels(named, labels, "val")
    (labels.path / "annotations/instances_val.json").rename(tmp_path / "scenes/annotations/instances_val.json")
    return tmp_path / "scenes"


@pytest.fixture
def truth(data, tmp_path):
    """The labels themselves as predictions."""
    labels = json.loads((data / "annotations/instances_val.json").read_text())
    rows = [
        {name: annotation[name] for name in ("image_id", "category_id", "bbox")} for annotation in labels["annotations"]
    ]
    path = tmp_path / "truth.json"
    path.write_text(json.dumps([row | {"score": 0.9} for row in rows]))
    return path


def test_a_report_and_its_folder(condetr, model, data, tmp_path):
    status, out, err = condetr("evaluate", data, "--model", model, "--metrics", "ap,per-class,errors,speed")
    assert (status, err) == (0, "")
    assert out.startswith("6 images of val\nAP ")
    for part in ("bird ", "AP50 if repaired", "ms an image on cpu", "report in runs/evaluate\n"):
        assert part in out
    assert {path.name for path in (tmp_path / "runs/evaluate").iterdir()} >= {"report.json", "per_class.csv"}
    assert condetr("evaluate", data, "--model", model)[1].endswith("report in runs/evaluate-2\n")


def test_json_is_one_document_and_writes_no_file(condetr_json, model, data, tmp_path):
    status, answer, _ = condetr_json("evaluate", data, "--model", model)
    assert status == 0
    assert answer["model"] == {"path": str(model), "revision": None}
    assert (answer["output"], answer["data"]["pictures"], answer["failures"]) == (None, 6, [])
    assert {"ap", "ap50", "per_class", "curves", "confusion", "errors"} <= answer.keys()
    assert not (tmp_path / "runs").exists()


def test_what_was_found_can_be_scored_again_at_any_batch(condetr_json, model, data):
    _, first, _ = condetr_json("evaluate", data, "--model", model, "--output", "one", "--threshold", "0.3")
    _, batched, _ = condetr_json("evaluate", data, "--model", model, "--batch", "4", "--threshold", "0.3")
    _, again, _ = condetr_json("evaluate", data, "--predictions", "one/predictions.json", "--threshold", "0.3")
    for report in (first, batched, again):
        for name in ("model", "predictions", "output"):
            report.pop(name, None)
    assert again == first
    assert batched["ap"] == pytest.approx(first["ap"], abs=1e-6)
    assert batched["errors"]["counts"] == first["errors"]["counts"]


def test_the_gate(condetr, model, data, truth):
    assert condetr("evaluate", data, "--predictions", truth, "--min-ap", "1")[0] == 0
    status, out, err = condetr("evaluate", data, "--model", model, "--min-ap", "0.9")
    assert status == 8
    assert "report in runs/evaluate-2" in out  # what was measured is not lost
    assert err.endswith(" expected at least 0.9\n")


def test_images_that_cannot_be_read_are_listed(condetr, condetr_json, model, data):
    broken = data / "val/000002.jpg"
    broken.write_bytes(broken.read_bytes()[:700])
    status, answer, err = condetr_json("evaluate", data, "--model", model)
    assert status == 4
    assert (answer["data"]["pictures"], [failure["source"] for failure in answer["failures"]]) == (5, [str(broken)])
    assert f"condetr: failed: {broken}" in err
    for path in (data / "val").iterdir():
        path.write_bytes(path.read_bytes()[:700])
    assert condetr("evaluate", data, "--model", model)[0] == 3


def test_classes_of_other_names_need_a_map(condetr, condetr_json, data, tmp_path):
    save(
        tmp_path / "other", tiny_detector(), {0: "chat", 1: "chien", 2: "oiseau"}, preprocessing=PREPROCESSING.to_dict()
    )
    status, _, err = condetr("evaluate", data, "--model", "other")
    assert status == 2
    assert "the model lacks bird, cat, dog; the dataset has bird, cat, dog; the model has chat, chien, oiseau" in err
    assert "--map" in err
    assert not (tmp_path / "runs/evaluate").exists()
    (tmp_path / "map.yaml").write_text("cat: chat\ndog: [chien]\nbird: []\n")
    status, answer, err = condetr_json("evaluate", data, "--model", "other", "--map", "map.yaml")
    assert status == 0
    assert answer["notes"][1] in err
    assert "no class of the model is mapped to bird" in answer["notes"][1]
    assert answer["per_class"]["bird"]["detections"] == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- cat\n", "map.yaml: holds a list, expected CLASS OF THE DATA: CLASS OF THE MODEL"),
        ("cat: 3\n", "map.yaml: cat: is 3, expected a name or a list of names"),
        ("cat: [a, 3]\n", "map.yaml: cat: is a list, expected a name or a list of names"),
        ("cow: cat\n", "map: the dataset has no class 'cow'"),
        (None, "map.yaml: cannot be read"),
    ],
)
def test_a_map_that_is_none(condetr, model, data, tmp_path, text, says):
    if text is not None:
        (tmp_path / "map.yaml").write_text(text)
    status, out, err = condetr("evaluate", data, "--model", model, "--map", "map.yaml")
    assert (status, out) == (2, "")
    assert says in err


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--model", "m", "--predictions", "truth.json"], 2, "model: is for a model; it cannot be combined"),
        (["--predictions", "truth.json", "--metrics", "ap,speed"], 2, "metrics: speed is of a model"),
        (["--predictions", "none.json"], 6, "none.json: cannot be read"),
        (["--predictions", "truth.json", "--metrics", "map"], 2, "expected a list, each one of ap, per-class"),
        (["--predictions", "truth.json", "--min-ap", "75"], 2, "min-ap: is 75.0, expected a number from 0 to 1"),
        (["--predictions", "truth.json", "--split", "test"], 3, "has no split 'test'; there are val"),
        (
            ["--predictions", "truth.json", "--output", "scenes"],
            2,
            "scenes: exists and is not an empty folder (give another --output)",
        ),
        (["--predictions", "truth.json", "--output", "truth.json/new"], 2, "(give another --output)"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(condetr, data, truth, words, status, says):
    got, out, err = condetr("evaluate", data, *words)
    assert (got, out) == (status, "")
    assert says in err
    assert err.count("\n") == 1


def test_predictions_of_something_else_are_named(condetr, data, truth):
    truth.write_text(truth.read_text().replace('"category_id": 5', '"category_id": 0'))
    status, _, err = condetr("evaluate", data, "--predictions", truth)
    assert status == 3
    assert "category_id 0 of type int is no category of the dataset" in err
    assert condetr("evaluate", "nowhere", "--predictions", truth)[0] == 2


def test_a_model_or_predictions_are_needed(condetr, data):
    status, _, err = condetr("evaluate", data)
    assert status == 2
    assert "--model" in err


def test_what_the_reader_changed_is_reported(condetr, data, truth):
    path = data / "annotations/instances_val.json"
    labels = json.loads(path.read_text())
    empty = {"id": 999, "image_id": 1, "category_id": 5, "bbox": [1, 1, 0, 5], "area": 1, "iscrowd": 0}
    path.write_text(json.dumps(labels | {"annotations": [*labels["annotations"], empty]}))
    status, _, err = condetr("evaluate", data, "--predictions", truth)
    assert (status, err.splitlines()) == (
        0,
        [
            "condetr: 1 x a box without area (left out)",
            "condetr: objects without area, outside of their image or without a usable mask: 1;"
            " AP counts them, as pycocotools does",
        ],
    )


def test_the_command_knows_every_metric():
    listed, _ = get_args(get_type_hints(EvaluateSettings)["metrics"])
    assert get_args(get_args(listed)[0]) == METRICS


@pytest.fixture
def segments(tmp_path):
    """Two scenes whose classes a tiny segmenter calls by number."""
    write_scenes(tmp_path / "segments", train=0, val=2, task="panoptic")
    names = read_splits(tmp_path / "segments", panoptic=True, masks=True)["val"].classes.names
    labels = dict(enumerate(names))
    network = tiny_segmenter(num_labels=len(labels))
    flat = {"label_ids_to_fuse": [10, 11, 12]}
    save(tmp_path / "segmenter", network, labels, preprocessing=PREPROCESSING.to_dict(), flat=flat)
    return tmp_path / "segments"


def test_segments(condetr, condetr_json, segments, tmp_path):
    status, answer, err = condetr_json("evaluate", segments, "--model", "segmenter")
    assert (status, err) == (0, "")
    assert answer["panoptic"].keys() >= {"pq", "sq", "rq", "miou", "things", "stuff", "per_class"}
    assert answer["masks"].keys() >= {"ap", "ap50", "ar100"}
    status, out, _ = condetr("evaluate", segments, "--model", "segmenter", "--metrics", "pq,miou")
    assert status == 0
    for words in ("mask AP50", "\nsegments ", "\nthings ", "\nstuff ", "\nmean IoU of classes "):
        assert words in out
    _, boxes, _ = condetr_json("evaluate", segments, "--model", "segmenter", "--task", "detect")
    assert boxes.keys() & {"panoptic", "masks"} == set()
    assert boxes["ap"] == answer["ap"]


def test_masks_of_predictions(condetr, condetr_json, segments):
    _, first, _ = condetr_json(
        "evaluate", segments, "--model", "segmenter", "--task", "instance", "--output", "found", "--metrics", "ap"
    )
    words = ("evaluate", segments, "--predictions", "found/predictions.json", "--metrics", "ap")
    status, again, _ = condetr_json(*words, "--task", "instance")
    assert (status, again["masks"]) == (0, first["masks"])
    status, _, err = condetr(*words, "--task", "panoptic")
    assert status == 2
    assert "a file of predictions holds boxes" in err


def test_boxes_have_no_masks_to_measure(condetr, model, data, segments):
    status, _, err = condetr("evaluate", data, "--model", model, "--task", "instance")
    assert status == 3
    status, _, err = condetr("evaluate", data, "--model", "segmenter")
    assert status == 3
    assert "not panoptic" in err


def test_tiles_are_measured_as_they_are_predicted(condetr, condetr_json, model, data, segments):
    """Of the same images `condetr predict` finds in tiles, at the same place, what is scored here."""
    words = ("evaluate", data, "--model", model, "--top-k", "10", "--output")
    assert condetr(*words, "whole")[0] == 0
    assert condetr(*words, "tiles", "--tile", "60")[0] == 0
    whole, tiles = (json.loads(Path(name, "predictions.json").read_text()) for name in ("whole", "tiles"))
    assert len(tiles) > len(whole)
    _, answer, _ = condetr_json(
        "predict", data / "val", "--model", model, "--tile", "60", "--threshold", "0", "--top-k", "10"
    )
    predicted = [score for result in answer["results"] for score in (row["score"] for row in result["detections"])]
    assert sorted(row["score"] for row in tiles) == pytest.approx(sorted(predicted), abs=1e-4)
    assert condetr("evaluate", data, "--model", model, "--tile", "8")[0] == 2
    status, _, err = condetr("evaluate", segments, "--model", "segmenter", "--tile", "60")
    assert (status, "segments of tiles" in err) == (2, True)
