"""CVAT's XML 1.1, checked against its documentation: which elements and attributes there are, and of which kind."""

import json
import re
from xml.etree import ElementTree

import pytest

from condetr.data.checks.problems import ProblemKind
from condetr.data.convert import convert
from condetr.data.discovery.formats import read_dataset, read_splits
from condetr.data.object_masks import object_masks
from tests.unit.data.conftest import good_content

NUMBER, WHOLE, FLAG = r"-?\d+(\.\d+)?", r"\d+", "[01]"
SHAPE = {"label": ".+", "source": "manual|auto", "occluded": FLAG, "z_order": r"-?\d+"}
ELEMENTS = {  # docs.cvat.ai, XML annotation format, version 1.1, images
    "image": {"id": WHOLE, "name": ".+", "width": WHOLE, "height": WHOLE},
    "box": SHAPE | dict.fromkeys(("xtl", "ytl", "xbr", "ybr"), NUMBER),
    "polygon": SHAPE | {"points": rf"{NUMBER},{NUMBER}(;{NUMBER},{NUMBER}){{2,}}"},
}
OPTIONAL = {"image": {"subset": ".+"}}


def assert_is_cvat(root):
    assert root.tag == "annotations"
    assert [child.tag for child in root[:2]] == ["version", "meta"]
    assert root.findtext("version") == "1.1"
    task = root.find("meta/task")
    assert re.fullmatch(WHOLE, task.findtext("size"))
    assert task.findtext("mode") == "annotation"
    names = [label.findtext("name") for label in task.findall("labels/label")]
    assert len(names) == len(set(names)) > 0
    assert all(label.find("attributes") is not None for label in task.findall("labels/label"))
    for image in root[2:]:
        assert image.tag == "image"
        for element in (image, *image):
            allowed = ELEMENTS[element.tag] | OPTIONAL.get(element.tag, {})
            assert ELEMENTS[element.tag].keys() <= element.attrib.keys() <= allowed.keys()
            for name, value in element.attrib.items():
                assert re.fullmatch(allowed[name], value), (element.tag, name, value)
        assert {shape.get("label") for shape in image} <= set(names)
    ids = [image.get("id") for image in root[2:]]
    assert ids == [str(number) for number in range(len(ids))] == ids[: int(task.findtext("size"))]
    return names


def written(splits, folder):
    report = convert(splits, folder, "cvat")
    return ElementTree.parse(folder / "annotations.xml").getroot(), report


def test_boxes(coco, tmp_path):
    original = read_dataset(coco())
    root, report = written({"all": original}, tmp_path / "out")
    assert assert_is_cvat(root) == ["dog", "cat", "ант"]
    assert report.counts == {ProblemKind.CROWD_LOST: 1}
    images = root.findall("image")
    assert [(image.get("name"), image.get("width"), image.get("height")) for image in images] == [
        ("a.jpg", "96", "64"),
        ("b.png", "64", "96"),
        ("c.jpg", "80", "80"),
    ]
    for image, example in zip(images, original, strict=True):
        assert (tmp_path / "out/images" / image.get("name")).read_bytes() == example.path.read_bytes()
        for shape, labeled in zip(image, example.objects, strict=True):
            assert shape.get("label") == original.classes.names[labeled.label]
            assert [float(shape.get(edge)) for edge in ("xtl", "ytl", "xbr", "ybr")] == pytest.approx(
                labeled.box, abs=0.006
            )
    assert [label["name"] for label in json.loads((tmp_path / "out/labels.json").read_text())] == ["dog", "cat", "ант"]


def test_outlines_and_names(coco, tmp_path):
    content = good_content()
    content["categories"][0]["name"] = 'a "<cat>" & more'
    for annotation in content["annotations"]:
        annotation["segmentation"] = [[5, 5, 25, 5, 25, 25], [30, 30, 40, 30, 40, 40.5]]
    root, report = written({"train": read_dataset(coco(content), masks=True)}, tmp_path / "out")
    assert 'a "<cat>" & more' in assert_is_cvat(root)
    assert not report.counts[ProblemKind.SEGMENTATION_LOST]
    (first, _) = root.find("image")
    points = [tuple(map(float, point.split(","))) for point in first.get("points").split(";")]
    assert {(5, 5), (25, 25), (40, 40.5)} <= set(points)


def test_what_is_written_is_read(coco, tmp_path):
    content = good_content()
    for annotation in content["annotations"]:
        annotation["segmentation"] = [[5, 5, 25, 5, 25, 25], [30, 30, 40, 30, 40, 40.5]]
    original = read_dataset(coco(content), masks=True)
    written({"train": original[:2], "val": original[2:]}, tmp_path / "out")
    splits = read_splits(tmp_path / "out", masks=True)
    assert [len(dataset) for dataset in splits.values()] == [2, 1]
    assert splits["train"].classes.names == original.classes.names
    for example, before in zip(splits["train"], original, strict=False):
        assert [one.label for one in example.objects] == [one.label for one in before.objects]
        assert object_masks(example, example.objects).equal(object_masks(before, before.objects))


def test_several_splits_are_subsets(coco, tmp_path):
    original = read_dataset(coco())
    root, _ = written({"train": original[:2], "val": original[2:]}, tmp_path / "out")
    assert_is_cvat(root)
    assert [image.get("subset") for image in root.findall("image")] == ["train", "train", "val"]
    assert (tmp_path / "out/images" / root.findall("image")[2].get("name")).is_file()
