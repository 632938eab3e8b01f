"""Label Studio's JSON, checked against its documentation: the form of tasks, predictions and regions."""

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest

from condetr.data.checks.problems import ProblemKind
from condetr.data.convert import convert
from condetr.data.discovery.formats import read_dataset
from condetr.data.label_studio.regions import Controls, region_of
from condetr.data.predicted import Predicted
from tests.unit.data.conftest import good_content, image

VALUES = {  # labelstud.io/guide/predictions and the tags RectangleLabels and PolygonLabels
    "rectanglelabels": {"x", "y", "width", "height", "rotation", "rectanglelabels"},
    "polygonlabels": {"points", "closed", "polygonlabels"},
}
REGION = {"id", "type", "from_name", "to_name", "original_width", "original_height", "image_rotation", "value"}


def assert_is_region(region, controls, labels, *, scored):
    kind = region["type"]
    assert set(region) == REGION | ({"score"} if scored else set())
    assert controls[region["from_name"]] == kind
    assert set(region["value"]) == VALUES[kind]
    (name,) = region["value"][kind]
    assert name in labels[region["from_name"]]
    if kind == "rectanglelabels":
        numbers = [region["value"][key] for key in ("x", "y", "width", "height")]
        assert numbers[0] + numbers[2] <= 100.0001
        assert numbers[1] + numbers[3] <= 100.0001
    else:
        assert len(region["value"]["points"]) >= 3
        numbers = [number for point in region["value"]["points"] for number in point]
    assert all(0 <= number <= 100 for number in numbers), "percent of the image"
    assert type(region["original_width"]) is type(region["original_height"]) is int


def assert_is_label_studio(folder, *, scored):
    view = ElementTree.fromstring((folder / "label_config.xml").read_text(encoding="utf-8"))
    (shown,) = view.findall("Image")
    tags = [tag for tag in view if tag.tag != "Image"]
    assert all(tag.get("toName") == shown.get("name") for tag in tags)
    controls = {tag.get("name"): tag.tag.lower() for tag in tags}
    labels = {tag.get("name"): [label.get("value") for label in tag.findall("Label")] for tag in tags}
    tasks = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
    for task in tasks:
        assert set(task) == {"data", "predictions" if scored else "annotations"}
        url = urlsplit(task["data"][shown.get("value").removeprefix("$")])
        assert url.path == "/data/local-files/"
        assert (folder.parent / parse_qs(url.query)["d"][0]).is_file()
        ((result),) = task["predictions" if scored else "annotations"]
        assert set(result) <= {"result", "model_version", "score"}
        assert len({region["id"] for region in result["result"]}) == len(result["result"])
        for region in result["result"]:
            assert_is_region(region, controls, labels, scored=scored)
    return tasks


def test_labels_are_annotations(coco, tmp_path):
    content = good_content()
    content["categories"][0]["name"] = 'a "<cat>" & more'
    original = read_dataset(coco(content))
    report = convert({"train": original}, tmp_path / "out ä", "label-studio")
    assert report.counts == {ProblemKind.CROWD_LOST: 1}
    tasks = assert_is_label_studio(tmp_path / "out ä", scored=False)
    assert tasks[0]["data"]["image"] == "/data/local-files/?d=out%20%C3%A4/images/a.jpg"
    for task, example in zip(tasks, original, strict=True):
        height, width = example.size
        for region, labeled in zip(task["annotations"][0]["result"], example.objects, strict=True):
            value = region["value"]
            x, y = value["x"] * width / 100, value["y"] * height / 100
            box = (x, y, x + value["width"] * width / 100, y + value["height"] * height / 100)
            assert box == pytest.approx(labeled.box)
            assert value["rectanglelabels"] == [original.classes.names[labeled.label]]


def test_detections_are_predictions(coco, tmp_path):
    original = read_dataset(coco())
    scores = {example.path: [0.25 + 0.5 * number for number in range(len(example.objects))] for example in original}
    convert({"train": original}, tmp_path / "out", "label-studio", predicted=Predicted(scores, [], "runs/a"))
    tasks = assert_is_label_studio(tmp_path / "out", scored=True)
    first, _, last = (task["predictions"][0] for task in tasks)
    assert first["model_version"] == "runs/a"
    assert [region["score"] for region in first["result"]] == [0.25, 0.75]
    assert first["score"] == 0.5
    assert (last["result"], "score" in last) == ([], False)


def test_predictions_are_read_where_nothing_is_annotated(coco, tmp_path):
    original = read_dataset(coco())
    scores = {example.path: [0.5] * len(example.objects) for example in original}
    convert({"train": original}, tmp_path / "out", "label-studio", predicted=Predicted(scores, [], "runs/a"))
    back = read_dataset(tmp_path / "out")
    assert back.report.counts[ProblemKind.SCORE] == 4
    names = [[dataset.classes.names[one.label] for e in dataset for one in e.objects] for dataset in (back, original)]
    assert names[0] == names[1]
    assert len(back) == 3


def test_outlines_are_polygons(coco, tmp_path):
    content = good_content()
    for annotation in content["annotations"][1:]:
        annotation["segmentation"] = [[5, 5, 25, 5, 25, 25], [30, 30, 40, 30, 40, 40.5]]
    convert({"val": read_dataset(coco(content), masks=True)}, tmp_path / "out", "label-studio")
    tasks = assert_is_label_studio(tmp_path / "out", scored=False)
    kinds = {region["type"] for task in tasks for region in task["annotations"][0]["result"]}
    assert "polygonlabels" in kinds


def test_names_of_files_are_encoded(tmp_path, coco):
    content = good_content()
    content["images"][0]["file_name"] = "100% sure?/ä #1.jpg"
    path = coco(content)
    image(path.parent.parent / "images/100% sure?/ä #1.jpg", (96, 64))
    convert({"train": read_dataset(path)}, tmp_path / "out", "label-studio")
    assert_is_label_studio(tmp_path / "out", scored=False)


def test_a_project_with_polygons_only_gets_boxes_as_polygons():
    controls = Controls(boxes=None, polygons="p", image="photo")
    region = region_of("cat", (10, 20, 30, 40), None, (100, 200), 1, controls)
    assert (region["from_name"], region["to_name"], region["type"]) == ("p", "photo", "polygonlabels")
    assert region["value"]["points"] == [[5, 20], [15, 20], [15, 40], [5, 40]]


def test_a_link_is_never_followed_to_write(coco, tmp_path):
    from condetr.data.image_transfer import LINK

    original = read_dataset(coco())
    before = [example.path.read_bytes() for example in original]
    for to in ("coco", "yolo", "voc", "cvat", "label-studio"):
        convert({"train": original}, tmp_path / f"to-{to}", to, LINK)
    assert [example.path.read_bytes() for example in original] == before
    linked = Path(tmp_path / "to-cvat/images/a.jpg")
    assert linked.samefile(original[0].path)
