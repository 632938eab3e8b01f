"""Supervisely projects as its documentation writes them."""

import base64
import io
import json
import zlib

import numpy as np
import pytest
from PIL import Image

from condetr.core.errors import AnnotationError
from condetr.data.discovery.formats import read_dataset
from tests.unit.data.checking import check
from tests.unit.data.conftest import image
from tests.unit.data.layouts import write
from tests.unit.data.tools.reading import found, mask_areas

META = {"classes": [{"title": name, "shape": "any", "color": "#FF0000"} for name in ("hand", "cup")], "tags": []}


def figure(kind, exterior=(), interior=(), name="cup", **more):
    return {"id": 1, "classTitle": name, "geometryType": kind, "tags": [], "points": {
        "exterior": [list(point) for point in exterior], "interior": [[list(p) for p in hole] for hole in interior]
    }} | more  # fmt: skip


BOX = figure("rectangle", ((10, 5), (30, 25)))


def bitmap(pixels, origin):
    stream = io.BytesIO()
    Image.fromarray(np.where(pixels[..., None], [255, 255, 255, 255], 0).astype(np.uint8)).save(stream, "PNG")
    return {"data": base64.b64encode(zlib.compress(stream.getvalue())).decode(), "origin": origin}


@pytest.fixture
def project(tmp_path):
    def add(*objects, dataset="ds0", name="a.jpg", ann="{}.json", meta=META):
        image(tmp_path / dataset / "img" / name, (60, 40), seed=sum(f"{dataset}{name}".encode()))
        write(tmp_path / "meta.json", json.dumps(meta))
        content = {"description": "", "tags": [], "size": {"height": 40, "width": 60}, "objects": list(objects)}
        write(tmp_path / dataset / "ann" / ann.format(name), json.dumps(content))
        return tmp_path

    return add


def test_every_figure_is_read_or_counted(project):
    square = ((10, 10), (30, 10), (30, 30), (10, 30))
    nodes = {"x": {"loc": [5, 6]}, "y": {"loc": [15, 26]}}
    folder = project(
        BOX,
        figure("polygon", square, name="hand"),
        figure("polygon", square, [((15, 15), (20, 15), (20, 20), (15, 20))]),
        figure("bitmap", bitmap=bitmap(np.array([[0, 1], [1, 1]], bool), [4, 6])),
        figure("graph", nodes=nodes),
        figure("point", ((3, 3),)),
        figure("line", ((3, 3), (4, 4))),
        BOX | {"tags": [{"name": "blurred"}]},
    )
    objects, problems = found(folder)
    assert objects == {
        "all": {
            "ds0/img/a.jpg": [
                ("cup", (10, 5, 30, 25)),
                ("hand", (10, 10, 30, 30)),
                ("cup", (10, 10, 30, 30)),
                ("cup", (4, 6, 6, 8)),
                ("cup", (5, 6, 15, 26)),
                ("cup", (10, 5, 30, 25)),
            ]
        }
    }
    expected = {"no_object": 2, "box_of_outline": 2, "box_of_keypoints": 1, "attributes": 1}
    assert {code: problems[code] for code in expected} == expected
    assert mask_areas(folder)["ds0/img/a.jpg"] == [400, 375, 3]
    assert read_dataset(folder).classes.names == ("hand", "cup")


def test_datasets_named_after_splits_and_images_of_one_name(project):
    project(BOX, dataset="train")
    folder = project(BOX, BOX | {"classTitle": "hand"}, dataset="val", ann="a.json")
    objects, problems = found(folder)
    assert {split: {name: len(some) for name, some in images.items()} for split, images in objects.items()} == {
        "train": {"train/img/a.jpg": 1},
        "val": {"val/img/a.jpg": 2},
    }
    assert not problems["converted_name"]
    assert not problems["missing_labels"]


def test_images_without_labels_are_reported(project):
    folder = project(BOX)
    image(folder / "ds0/img/b.jpg", (60, 40), seed=5)
    assert found(folder)[1]["missing_labels"] == 1


def test_what_is_wrong_is_left_out_or_refused(project):
    wrong = (
        ("unknown_category", BOX | {"classTitle": "spoon"}),
        ("no_class", BOX | {"classTitle": None}),
        ("bad_field", BOX | {"points": {"exterior": [[1, "x"], [2, 3]]}}),
        ("bad_segmentation", figure("bitmap", bitmap={"data": "eJw=", "origin": [0, 0]})),
        ("bad_segmentation", figure("bitmap", bitmap=bitmap(np.ones((2, 2), bool), [100, 6]))),
        ("outside_box", figure("rectangle", ((100, 5), (130, 25)))),
    )
    for code, each in wrong:
        objects, problems = found(project(each, BOX))
        assert problems[code] == 1, each
        assert len(objects["all"]["ds0/img/a.jpg"]) == 1
    folder = project(BOX, meta={"classes": "cup"})
    with pytest.raises(AnnotationError, match=r"expected a list"):
        check(folder)[1].refuse()
    with pytest.raises(AnnotationError, match=r"nothing to train on"):
        check(project())[1].refuse()
