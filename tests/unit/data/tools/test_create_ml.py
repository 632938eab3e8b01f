"""Create ML's JSON as Roboflow and RectLabel write it."""

import json

import pytest

from condetr.core.errors import AnnotationError
from condetr.data.discovery.formats import layout_of
from tests.unit.data.checking import check
from tests.unit.data.conftest import image
from tests.unit.data.layouts import write
from tests.unit.data.tools.reading import found


def entry(name, *boxes):
    sides = ("x", "y", "width", "height")
    annotations = [{"label": label, "coordinates": dict(zip(sides, box, strict=True))} for label, *box in boxes]
    return {"image": name, "annotations": annotations}


@pytest.fixture
def folder(tmp_path):
    image(tmp_path / "train/a.jpg", (60, 40))
    image(tmp_path / "train/b.jpg", (60, 40), seed=1)
    return tmp_path


def test_boxes_by_their_centers(folder):
    content = [entry("a.jpg", ("cup", 20, 15, 20, 20), ("hand", 30, 20, 60, 40)), entry("b.jpg")]
    file = write(folder / "train/_annotations.createml.json", json.dumps(content))
    expected = [("cup", (10, 5, 30, 25)), ("hand", (0, 0, 60, 40))]
    assert found(folder)[0] == {"train": {"train/a.jpg": expected, "train/b.jpg": []}}
    assert layout_of(folder).format == layout_of(file).format == "create-ml"


def test_what_is_wrong_is_left_out_or_refused(folder):
    good = ("cup", 20, 15, 20, 20)
    for code, each in (("no_class", ("", 20, 15, 2, 2)), ("bad_field", ("cup", "x", 15, 2, 2))):
        write(folder / "labels.json", json.dumps([entry("a.jpg", each, good)]))
        objects, problems = found(folder)
        assert problems[code] == 1
        assert len(objects["all"]["train/a.jpg"]) == 1
    write(folder / "labels.json", json.dumps([entry("c.jpg", good), {"image": 5, "annotations": []}]))
    problems = found(folder)[1]
    assert (problems["missing_picture"], problems["bad_field"]) == (1, 1)
    with pytest.raises(AnnotationError):
        check(folder)[1].refuse()
