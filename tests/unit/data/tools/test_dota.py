"""DOTA's labels as its page describes them."""

import pytest

from condetr.core.errors import AnnotationError
from condetr.data.discovery.formats import layout_of, read_dataset
from tests.unit.data.checking import check
from tests.unit.data.conftest import image
from tests.unit.data.layouts import write
from tests.unit.data.tools.reading import found, mask_areas

HEAD = "imagesource:GoogleEarth\ngsd:0.146\n"
SHIP = "20.0 0.0 30.0 10.0 20.0 20.0 10.0 10.0 small-vehicle 0\n"
PLANE = "10 5 30 5 30 15 10 15 plane 1\n"


@pytest.fixture
def folder(tmp_path):
    for number, split in enumerate(("train", "val")):
        image(tmp_path / split / f"images/P000{number}.png", (40, 20), seed=number)
        write(tmp_path / split / f"labelTxt-v1.0/labelTxt/P000{number}.txt", HEAD + SHIP + PLANE)
    return tmp_path


def test_enclosing_boxes(folder):
    objects, problems = found(folder)
    expected = [("small-vehicle", (10, 0, 30, 20)), ("plane", (10, 5, 30, 15))]
    assert objects == {"train": {"train/images/P0000.png": expected}, "val": {"val/images/P0001.png": expected}}
    assert {code: problems[code] for code in ("oriented_box", "difficult", "converted_name")} == {
        "oriented_box": 2,
        "difficult": 2,
        "converted_name": 0,
    }
    assert read_dataset(folder, "val")[0].objects[1].marks == ("difficult",)
    assert read_dataset(folder, "val").classes.names == ("plane", "small-vehicle")
    assert layout_of(folder).format == "dota"


def test_the_oriented_boxes_are_masks(folder):
    ship, plane = mask_areas(folder, "train")["train/images/P0000.png"]
    assert (ship, plane) == (pytest.approx(200, abs=20), 200)


def test_what_is_wrong_is_left_out_or_refused(folder):
    labels = folder / "train/labelTxt-v1.0/labelTxt/P0000.txt"
    write(labels, HEAD + SHIP + "1 2 3 4 5 6 7 ship 0\n")
    assert found(folder)[1]["bad_field"] == 1
    labels.write_bytes(SHIP.encode() + b"\xff\xfe\xfd")
    assert found(folder)[1]["bad_labels"] == 1
    image(folder / "val/images/P0002.png", (40, 20), seed=7)
    assert found(folder)[1]["missing_labels"] == 1
    write(labels, HEAD + "110 5 130 5 130 15 110 15 plane 0\n")
    with pytest.raises(AnnotationError, match=r"nothing to train on"):
        check(folder / "train")[1].refuse()
