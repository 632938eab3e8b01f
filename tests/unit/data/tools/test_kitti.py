"""KITTI's object labels as its development kit describes them."""

import pytest

from condetr.core.errors import AnnotationError
from condetr.data.discovery.formats import layout_of, read_dataset
from tests.unit.data.checking import check
from tests.unit.data.conftest import image
from tests.unit.data.layouts import write
from tests.unit.data.tools.reading import found

SPACE = "1.89 0.48 1.20 1.84 1.47 8.41 0.01"
CAR = f"Car 0.00 0 -1.58 10.00 5.00 30.00 15.00 {SPACE}\n"
DONT_CARE = "DontCare -1 -1 -10 503.89 169.71 590.61 190.13 -1 -1 -1 -1000 -1000 -1000 -10\n"


@pytest.fixture
def folder(tmp_path):
    for number in (0, 1):
        image(tmp_path / f"training/image_2/{number:06d}.png", (40, 20), seed=number)
        image(tmp_path / f"training/image_3/{number:06d}.png", (40, 20), seed=2 + number)
        image(tmp_path / f"testing/image_2/{number:06d}.png", (40, 20), seed=4 + number)
    write(tmp_path / "training/label_2/000000.txt", CAR + CAR.replace("Car 0.00 0", "Van 0.50 2") + DONT_CARE)
    write(tmp_path / "training/label_2/000001.txt", "")
    return tmp_path


def test_boxes_of_the_left_camera(folder):
    objects, problems = found(folder)
    box = (10, 5, 30, 15)
    first, second = "training/image_2/000000.png", "training/image_2/000001.png"
    assert objects == {"train": {first: [("Car", box), ("Van", box)], second: []}}
    assert [labeled.marks for labeled in read_dataset(folder)[0].objects] == [(), ("truncated", "occluded")]
    assert (problems["ignored_region"], problems["converted_name"], problems["no_split"]) == (1, 0, 1)
    assert layout_of(folder).format == "kitti"
    assert found(folder / "training")[0]["all"]["image_2/000000.png"] == [("Car", box), ("Van", box)]


@pytest.mark.parametrize("images", ["images", "data"])
def test_the_layout_of_other_tools_and_scores(tmp_path, images):
    image(tmp_path / images / "a.jpg", (40, 20))
    write(tmp_path / "labels/a.txt", CAR.rstrip() + " 0.9\r\n")
    objects, problems = found(tmp_path)
    assert objects == {"all": {f"{images}/a.jpg": [("Car", (10, 5, 30, 15))]}}
    assert problems["score"] == 1


def test_what_is_wrong_is_left_out_or_refused(folder):
    write(folder / "training/label_2/000001.txt", "Car 0 0 0 10 left\n")
    assert found(folder)[1]["bad_field"] == 1
    image(folder / "training/image_2/000002.png", (40, 20), seed=9)
    assert found(folder)[1]["missing_labels"] == 1
    write(folder / "training/label_2/000001.txt", "")
    write(folder / "training/label_2/000000.txt", DONT_CARE)
    with pytest.raises(AnnotationError, match=r"nothing to train on"):
        check(folder)[1].refuse()
