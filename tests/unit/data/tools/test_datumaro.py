"""Datumaro's JSON as Datumaro and CVAT write it."""

import json

import pytest

from condetr.core.errors import AnnotationError
from condetr.data.discovery.formats import layout_of
from tests.unit.data.checking import check
from tests.unit.data.conftest import image
from tests.unit.data.layouts import write
from tests.unit.data.tools.reading import found, mask_areas

SQUARE = [10, 10, 30, 10, 30, 30, 10, 30]
BOX = {"type": "bbox", "label_id": 0, "bbox": [10, 5, 20, 20], "group": 0, "attributes": {"occluded": False}}


def content(*annotations, **item):
    labels = {"labels": [{"name": "cup", "parent": ""}, {"name": "hand", "parent": ""}], "attributes": ["occluded"]}
    first = {"id": "a", "annotations": list(annotations), "image": {"path": "a.jpg", "size": [40, 60]}} | item
    second = {"id": "b", "annotations": [], "media": {"path": "", "type": "image"}}
    return {"info": {}, "categories": {"label": labels}, "items": [first, second]}


def outline(kind="polygon", label=1, points=SQUARE, **fields):
    return {"type": kind, "label_id": label, "points": points, **fields}


@pytest.fixture
def folder(tmp_path):
    image(tmp_path / "images/default/a.jpg", (60, 40))
    image(tmp_path / "images/default/b.jpg", (60, 40), seed=1)
    return tmp_path


def test_every_annotation_is_read_or_counted(folder):
    mask = {"size": [40, 60], "counts": [410, 20, 20, 20, 1930]}
    annotations = (
        BOX,
        outline(),
        outline("ellipse", points=[25, 10, 35, 30]),
        {"type": "mask", "label_id": 1, "rle": mask},
        {"type": "rotated_bbox", "label_id": 0, "rbbox": [20, 20, 20, 10, 90]},
        outline("points"),
        {"type": "label", "label_id": 0},
        {"type": "caption", "caption": "a cup"},
        outline(label=None),
        BOX | {"attributes": {"color": "red", "occluded": True}},
    )
    file = write(folder / "annotations/default.json", json.dumps(content(*annotations)))
    objects, problems = found(folder)
    assert objects == {
        "all": {
            "images/default/a.jpg": [
                ("cup", (10, 5, 30, 25)),
                ("hand", (10, 10, 30, 30)),
                ("hand", (25, 10, 35, 30)),
                ("hand", (10, 10, 12, 30)),
                ("cup", (15, 10, 25, 30)),
                ("cup", (10, 5, 30, 25)),
            ],
            "images/default/b.jpg": [],
        }
    }
    expected = {"no_object": 3, "no_class": 1, "box_of_outline": 2, "oriented_box": 1, "attributes": 1}
    assert {code: problems[code] for code in expected} == expected
    assert mask_areas(folder)["images/default/a.jpg"] == [400, pytest.approx(157, abs=3), 40, 200]  # boxes have none
    assert layout_of(folder).format == layout_of(file).format == "datumaro"


def test_a_group_is_one_object(folder):
    far = outline(points=[40, 10, 50, 10, 50, 20, 40, 20], group=3)
    box = BOX | {"label_id": 1, "group": 3}
    write(folder / "annotations/default.json", json.dumps(content(box, outline(group=3), far, BOX | {"group": 3})))
    objects = found(folder)[0]["all"]["images/default/a.jpg"]
    assert objects == [("hand", (10, 10, 50, 30)), ("cup", (10, 5, 30, 25))]
    assert mask_areas(folder)["images/default/a.jpg"][0] == 500


def test_crowds_are_no_objects_to_learn(folder):
    crowd = outline(attributes={"is_crowd": True})
    write(folder / "annotations/default.json", json.dumps(content(crowd, BOX)))
    example = check(folder)[0]["all"][0]
    assert (len(example.objects), len(example.crowds)) == (1, 1)


def test_what_is_wrong_is_refused_or_left_out(folder):
    wrong = (
        BOX | {"bbox": [1, 2]},
        BOX | {"bbox": [1, "x", 2, 2]},
        outline(points=[1, 2, 3]),
        BOX | {"type": "rotated_bbox"},
        {"type": "mask", "label_id": 0, "rle": 5},
    )
    for each in wrong:
        write(folder / "annotations/default.json", json.dumps(content(each, BOX)))
        objects, problems = found(folder)
        assert problems["bad_field"] == 1
        assert len(objects["all"]["images/default/a.jpg"]) == 1
    for each in (BOX | {"label_id": 7}, 5):
        write(folder / "annotations/default.json", json.dumps(content(each, BOX)))
        assert found(folder)[1]["bad_field"] == 1
        with pytest.raises(AnnotationError):
            check(folder)[1].refuse()
    write(folder / "annotations/default.json", json.dumps(content(BOX, id="c", image={"path": "c.jpg"})))
    assert found(folder)[1]["missing_picture"] == 1
    write(folder / "annotations/default.json", json.dumps(content(BOX) | {"items": 5}))
    assert found(folder)[1]["bad_field"] == 1
