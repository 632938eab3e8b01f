"""Projects of VGG Image Annotator 3."""

import json

import pytest

from condetr.core.errors import AnnotationError
from condetr.data.discovery.formats import layout_of
from tests.unit.data.checking import check
from tests.unit.data.conftest import image
from tests.unit.data.layouts import write
from tests.unit.data.tools.reading import found, mask_areas

ATTRIBUTES = {
    "1": {"aname": "class", "anchor_id": "FILE1_Z0_XY1", "type": 4, "options": {"0": "cup", "1": "hand"}},
    "2": {"aname": "note", "anchor_id": "FILE1_Z0_XY1", "type": 1, "options": {}},
}


def project(*regions, attributes=ATTRIBUTES):
    """Two images, of which the first has regions: pairs of ``xy`` and ``av``."""
    metadata = {
        f"1_{number}": {"vid": "1", "flg": 0, "z": [], "xy": xy, "av": values}
        for number, (xy, values) in enumerate(regions)
    }
    files = {
        str(number): {"fid": str(number), "fname": name, "type": 2, "loc": 1, "src": ""}
        for number, name in enumerate(("a.jpg", "b.jpg"), start=1)
    }
    views = {number: {"fid_list": [number]} for number in files}
    head = {"pid": "__VIA_PROJECT_ID__", "pname": "p", "data_format_version": "3.1.1"}
    return {"project": head, "config": {}, "attribute": attributes, "file": files, "metadata": metadata, "view": views}


@pytest.fixture
def folder(tmp_path):
    image(tmp_path / "images/a.jpg", (60, 40))
    image(tmp_path / "images/b.jpg", (60, 40), seed=1)
    return tmp_path


def test_every_region_is_read_or_counted(folder):
    content = project(
        ([2, 10, 5, 20, 20], {"1": "0"}),
        ([7, 10, 10, 30, 10, 30, 30, 10, 30], {"1": "1"}),
        ([3, 30, 20, 5], {"1": "0"}),
        ([4, 30, 20, 10, 5], {"1": "0"}),
        ([8, 10, 20, 20, 5, 30, 20, 20, 30], {"1": "0"}),
        ([1, 3, 3], {"1": "0"}),
        ([6, 3, 3, 9, 9], {"1": "0"}),
        ([], {"1": "0"}),
        ([2, 1, 1, 5, 5], {}),
        ([2, 1, 1, 5, 5], {"1": "0", "2": "red"}),
    )
    file = write(folder / "via_project.json", json.dumps(content))
    objects, problems = found(folder)
    assert objects == {
        "all": {
            "images/a.jpg": [
                ("cup", (10, 5, 30, 25)),
                ("hand", (10, 10, 30, 30)),
                ("cup", (25, 15, 35, 25)),
                ("cup", (20, 15, 40, 25)),
                ("cup", (10, 5, 30, 30)),
                ("cup", (1, 1, 6, 6)),
            ],
            "images/b.jpg": [],
        }
    }
    expected = {"no_object": 3, "no_class": 1, "box_of_outline": 3, "attributes": 1}
    assert {code: problems[code] for code in expected} == expected
    assert mask_areas(folder)["images/a.jpg"][0] == 400  # boxes have none
    assert layout_of(folder).format == layout_of(file).format == "via"


def test_checkboxes_and_paths(folder):
    boxes = {"1": {"aname": "kind", "type": 2, "options": {"0": "cup", "1": "hand"}}}
    content = project(([2, 10, 5, 20, 20], {"1": "1,0"}), attributes=boxes)
    content["file"]["1"] |= {"loc": 3, "src": "file:///somewhere/else/images/a.jpg"}
    write(folder / "via_project.json", json.dumps(content))
    objects, problems = found(folder)
    assert objects["all"]["images/a.jpg"] == [("hand", (10, 5, 30, 25))]
    assert (problems["several_classes"], problems["converted_name"]) == (1, 1)


def test_what_is_wrong_is_refused_or_left_out(folder):
    good = ([2, 10, 5, 20, 20], {"1": "0"})
    for wrong in ([2, 1, 1], [7, 1, 2, 3], [2, "x", 1, 1, 1], "x"):
        write(folder / "via_project.json", json.dumps(project(good, (wrong, {"1": "0"}))))
        objects, problems = found(folder)
        assert problems["bad_field"] == 1
        assert len(objects["all"]["images/a.jpg"]) == 1
    content = project(good)
    content["metadata"]["1_0"]["vid"] = "7"
    content["view"]["2"]["fid_list"] = ["9"]
    write(folder / "via_project.json", json.dumps(content))
    assert found(folder)[1]["bad_field"] == 2
    with pytest.raises(AnnotationError):
        check(folder)[1].refuse()
