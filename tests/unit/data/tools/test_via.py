"""VGG Image Annotator's files as its versions 1 and 2 write them."""

import csv
import io
import json

import pytest

from condetr.core.errors import AnnotationError
from condetr.data.discovery.formats import layout_of, read_dataset
from tests.unit.data.checking import check
from tests.unit.data.conftest import image
from tests.unit.data.layouts import write
from tests.unit.data.tools.reading import found, mask_areas


def region(name, attributes=None, **shape):
    return {"shape_attributes": {"name": name, **shape}, "region_attributes": attributes or {"class": "cup"}}


RECT = region("rect", x=10, y=5, width=20, height=20)
SQUARE = {"all_points_x": [10, 30, 30, 10], "all_points_y": [10, 10, 30, 30]}


def annotations(*regions, name="a.jpg", size=1234):
    return {f"{name}{size}": {"filename": name, "size": size, "regions": list(regions), "file_attributes": {}}}


@pytest.fixture
def folder(tmp_path):
    image(tmp_path / "images/a.jpg", (60, 40))
    image(tmp_path / "images/b.jpg", (60, 40), seed=1)
    return tmp_path


def as_project(content):
    return {"_via_settings": {"ui": {}}, "_via_img_metadata": content, "_via_attributes": {"region": {}, "file": {}}}


def as_version_1(content):
    return {
        key: entry | {"fileref": "", "regions": {str(i): each for i, each in enumerate(entry["regions"])}}
        for key, entry in content.items()
    }


@pytest.mark.parametrize("form", [dict, as_project, as_version_1], ids=lambda form: form.__name__)
def test_every_region_is_read_or_counted(folder, form):
    regions = (
        RECT,
        region("polygon", {"class": "hand"}, **SQUARE),
        region("circle", cx=30, cy=20, r=5),
        region("ellipse", cx=30, cy=20, rx=10, ry=5, theta=1.5707963),
        region("point", cx=3, cy=3),
        region("polyline", **SQUARE),
        region("rect", {"class": ""}, x=1, y=1, width=5, height=5),
        region("rect", {"class": "cup", "color": "red"}, x=1, y=1, width=5, height=5),
    )
    write(folder / "via.json", json.dumps(form(annotations(*regions) | annotations(name="b.jpg"))))
    objects, problems = found(folder)
    assert objects == {
        "all": {
            "images/a.jpg": [
                ("cup", (10, 5, 30, 25)),
                ("hand", (10, 10, 30, 30)),
                ("cup", (25, 15, 35, 25)),
                ("cup", (25, 10, 35, 30)),
                ("cup", (1, 1, 6, 6)),
            ],
            "images/b.jpg": [],
        }
    }
    expected = {"no_object": 2, "no_class": 1, "box_of_outline": 3, "attributes": 1}
    assert {code: problems[code] for code in expected} == expected
    assert mask_areas(folder)["images/a.jpg"][0] == 400
    assert layout_of(folder).format == layout_of(folder / "via.json").format == "via"


@pytest.mark.parametrize("first", ["filename", "#filename"])
def test_csv(folder, first):
    stream = io.StringIO()
    rows = csv.writer(stream)
    names = "file_size file_attributes region_count region_id region_shape_attributes region_attributes"
    rows.writerow([first, *names.split()])
    for name, each in (
        ("a.jpg", RECT),
        ("a.jpg", region("polygon", {"class": "hand, left"}, **SQUARE)),
        ("b.jpg", None),
    ):
        shape, attributes = (each or {}).get("shape_attributes", {}), (each or {}).get("region_attributes", {})
        rows.writerow([name, 1, "{}", 2 if each else 0, 0, json.dumps(shape), json.dumps(attributes)])
    write(folder / "via_export.csv", "\ufeff" + stream.getvalue())
    assert found(folder)[0]["all"] == {
        "images/a.jpg": [("cup", (10, 5, 30, 25)), ("hand, left", (10, 10, 30, 30))],
        "images/b.jpg": [],
    }
    write(folder / "via_export.csv", stream.getvalue().replace('{""name"": ""rect""', '{""name"": rect'))
    assert found(folder)[1]["bad_field"] == 1


def test_the_attribute_that_is_the_class(folder):
    cases = (
        ([{"color": "red", "type": "cup"}, {"color": "red"}], ["cup"]),
        ([{"color": "red"}, {"color": "blue", "note": "x"}], ["red", "blue"]),
        ([{"label": {"cup": True, "hand": False}}, {"label": {"hand": True, "cup": True}}], ["cup", "hand"]),
    )
    for attributes, names in cases:
        regions = [region("rect", each, x=5, y=5, width=9, height=9) for each in attributes]
        write(folder / "via.json", json.dumps(annotations(*regions)))
        objects, problems = found(folder)
        assert [name for name, _ in objects["all"]["images/a.jpg"]] == names
    assert problems["several_classes"] == 1


def test_regions_without_attributes_are_of_one_class(tmp_path):
    for split in ("train", "val"):
        image(tmp_path / split / "a.jpg", (60, 40), seed=len(split))
        bare = {"shape_attributes": RECT["shape_attributes"], "region_attributes": {}}
        write(tmp_path / split / "via_region_data.json", json.dumps(annotations(bare)))
    objects, problems = found(tmp_path)
    assert objects == {split: {f"{split}/a.jpg": [("object", (10, 5, 30, 25))]} for split in ("train", "val")}
    assert problems["one_class"] == 2
    assert read_dataset(tmp_path, "val").classes.names == ("object",)


def test_names_with_folders_and_urls(folder):
    content = annotations(RECT, name="https://example.org/x/a.jpg", size=-1) | annotations(RECT, name="D:\\p\\b.jpg")
    write(folder / "via.json", json.dumps(content))
    objects, problems = found(folder)
    assert list(objects["all"]) == ["images/a.jpg", "images/b.jpg"]
    assert problems["converted_name"] == 2


def test_what_is_wrong_is_left_out_or_refused(folder):
    wrong = (
        ("bad_field", region("rect", x="left", y=1, width=2, height=2)),
        ("bad_field", region("polygon", all_points_x=[1, 2], all_points_y=[1])),
        ("bad_field", 5),
        ("empty_box", region("rect", x=1, y=1, width=0, height=2)),
    )
    for code, each in wrong:
        write(folder / "via.json", json.dumps(annotations(each, RECT)))
        objects, problems = found(folder)
        assert problems[code] == 1, each
        assert len(objects["all"]["images/a.jpg"]) == 1
    write(folder / "via.json", json.dumps(annotations()))
    with pytest.raises(AnnotationError, match=r"nothing to train on"):
        check(folder)[1].refuse()
