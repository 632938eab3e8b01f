"""labelme's JSON as labelme and its relatives write it."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from condetr.core.errors import AnnotationError
from condetr.data.discovery.formats import layout_of, read_dataset
from tests.unit.data.checking import check
from tests.unit.data.conftest import image
from tests.unit.data.layouts import write
from tests.unit.data.tools.reading import found, mask_areas


def shape(kind, points, label="cup", **more):
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}} | more


BOX = shape("rectangle", [[30, 25], [10, 5]])


def content(*shapes, path="a.jpg", **more):
    frame = {"version": "5.4.1", "flags": {}, "shapes": list(shapes), "imagePath": path, "imageData": None}
    return json.dumps(frame | {"imageHeight": 40, "imageWidth": 60} | more)


@pytest.fixture
def folder(tmp_path):
    image(tmp_path / "a.jpg", (60, 40))
    return tmp_path


def png(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def test_every_shape_is_read_or_counted(folder):
    mask = png(np.array([[0, 1, 1], [0, 1, 0]], bool))
    shapes = (
        BOX,
        shape("polygon", [[10, 10], [30, 10], [30, 30], [10, 30]], label="hand"),
        shape("circle", [[30, 20], [33, 24]]),
        shape("mask", [[4, 6], [6, 7]], mask=mask),
        shape("rotation", [[10, 5], [20, 15], [10, 25], [0, 15]]),
        shape("rectangle", [[1, 2], [9, 2], [9, 8], [1, 8]]),
        shape("point", [[3, 3]]),
        shape("linestrip", [[3, 3], [4, 4]]),
        shape("polygon", [[1, 1], [5, 1], [5, 5]], label="__ignore__"),
        shape("polygon", [[1, 1], [5, 1], [5, 5]], label=" "),
    )
    write(folder / "a.json", content(*shapes))
    objects, problems = found(folder)
    assert objects == {
        "all": {
            "a.jpg": [
                ("cup", (10, 5, 30, 25)),
                ("hand", (10, 10, 30, 30)),
                ("cup", (25, 15, 35, 25)),
                ("cup", (5, 6, 7, 8)),
                ("cup", (0, 5, 20, 25)),
                ("cup", (1, 2, 9, 8)),
            ]
        }
    }
    expected = {"no_object": 2, "ignored_region": 1, "no_class": 1, "box_of_outline": 2, "oriented_box": 1}
    assert {code: problems[code] for code in expected} == expected
    assert mask_areas(folder)["a.jpg"][0] == 400
    assert mask_areas(folder)["a.jpg"][2] == 3
    assert layout_of(folder).format == layout_of(folder / "a.json").format == "labelme"


def test_parts_of_one_group_are_one_object(folder):
    parts = [shape("polygon", [[x, 0], [x + 10, 0], [x + 10, 10], [x, 10]], group_id=7) for x in (0, 20)]
    write(folder / "a.json", content(*parts, shape("polygon", [[0, 20], [5, 20], [5, 25]], "hand", group_id=7)))
    assert found(folder)[0]["all"]["a.jpg"] == [("cup", (0, 0, 30, 10)), ("hand", (0, 20, 5, 25))]
    assert mask_areas(folder)["a.jpg"][0] == 200


@pytest.mark.parametrize("path", ["..\\photos\\a.jpg", "../photos/a.jpg", "C:\\Users\\ann\\photos\\a.jpg", "x/a.jpg"])
def test_images_in_another_folder(tmp_path, path):
    image(tmp_path / "photos/a.jpg", (60, 40))
    write(tmp_path / "json/a.json", content(BOX, path=path))
    assert found(tmp_path)[0] == {"all": {"photos/a.jpg": [("cup", (10, 5, 30, 25))]}}


def test_images_that_were_renamed_with_their_labels(folder):
    image(folder / "b.JPG", (60, 40), seed=1)
    write(folder / "a.json", content(BOX, path="IMG_0001.jpg"))
    write(folder / "b.json", content(BOX | {"label": "hand"}, path="..\\a.jpg"))
    objects, problems = found(folder)
    assert objects["all"] == {"a.jpg": [("cup", (10, 5, 30, 25))], "b.JPG": [("hand", (10, 5, 30, 25))]}
    assert problems["other_name"] == 2


def test_an_image_that_was_renamed_in_another_folder(tmp_path):
    image(tmp_path / "images/a.jpg", (60, 40))
    write(tmp_path / "json/a.json", content(BOX, path="IMG_0001.jpg"))
    objects, problems = found(tmp_path)
    assert list(objects["all"]) == ["images/a.jpg"]
    assert problems["other_name"] == 1


def test_an_image_inside_of_its_label_file_is_unpacked_once(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    pixels = np.full((40, 60, 3), 7, np.uint8)
    write(tmp_path / "set/a.json", content(BOX, imageData=png(pixels)))
    (example,) = read_dataset(tmp_path / "set")
    assert example.path.is_relative_to(tmp_path / "cache/condetr")
    assert example.size == (40, 60)
    written = example.path.stat().st_mtime_ns
    objects, problems = found(tmp_path / "set")
    assert [len(each) for each in objects["all"].values()] == [1]
    assert problems["embedded_image"] == 1
    assert example.path.stat().st_mtime_ns == written
    write(tmp_path / "set/a.json", content(BOX, imageData=base64.b64encode(b"no image").decode()))
    assert found(tmp_path / "set")[1]["unreadable_picture"] == 1


def test_splits_are_folders_and_names_of_images_are_none(tmp_path):
    for number, name in enumerate(("train/test_1", "val/b", "val/train_2")):
        image(tmp_path / f"{name}.jpg", (60, 40), seed=number)
        write(tmp_path / f"{name}.json", content(BOX, path=f"{name.split('/')[1]}.jpg"))
    objects = found(tmp_path)[0]
    assert {split: sorted(images) for split, images in objects.items()} == {
        "train": ["train/test_1.jpg"],
        "val": ["val/b.jpg", "val/train_2.jpg"],
    }


def test_images_without_a_file_and_files_that_are_hidden(folder):
    image(folder / "b.jpg", (60, 40), seed=1)
    write(folder / "a.json", content(BOX))
    write(folder / "._a.json", "\0\1")
    write(folder / ".ipynb_checkpoints/a-checkpoint.json", content(BOX))
    objects, problems = found(folder)
    assert list(objects["all"]) == ["a.jpg"]
    assert (problems["missing_labels"], problems["hidden"]) == (1, 2)


def test_labels_txt_orders_the_classes(folder):
    write(folder / "labels.txt", "__ignore__\n_background_\nspoon\ncup\nfork\n")
    write(folder / "a.json", content(BOX, BOX | {"label": "apple"}))
    assert read_dataset(folder).classes.names == ("spoon", "cup", "fork", "apple")


def test_flags_old_files_and_windows_encodings(folder):
    old = {key: value for key, value in BOX.items() if key in ("label", "flags")}
    old |= {"points": [[1, 1], [9, 1], [9, 9]], "flags": {"blurred": True, "night": False}}
    (folder / "a.json").write_bytes(b"\xef\xbb\xbf" + content(old).replace("cup", "tass\u00e9").encode())
    objects, problems = found(folder)
    assert objects["all"]["a.jpg"] == [("tass\u00e9", (1, 1, 9, 9))]
    assert problems["attributes"] == 1


def test_what_is_wrong_is_left_out_or_refused(folder):
    wrong = (
        ("bad_field", shape("rectangle", [[1, 2]])),
        ("bad_field", shape("circle", [[1, 2]])),
        ("bad_field", shape("polygon", "x")),
        ("bad_field", 7),
        ("bad_segmentation", shape("mask", [[1, 2], [3, 4]], mask="?")),
        ("bad_segmentation", shape("mask", [[1, 2], [3, 4]], mask=base64.b64encode(b"x").decode())),
        ("empty_box", shape("rectangle", [[1, 2], [1, 9]])),
    )
    for code, each in wrong:
        write(folder / "a.json", content(each, BOX))
        objects, problems = found(folder)
        assert problems[code] == 1, each
        assert len(objects["all"]["a.jpg"]) == 1
    image(folder / "b.jpg", (60, 40), seed=1)
    write(folder / "b.json", '{"shapes": [{"label": ')
    assert found(folder)[1]["bad_labels"] == 1
    write(folder / "a.json", content(shape("point", [[3, 3]])))
    with pytest.raises(AnnotationError, match=r"nothing to train on"):
        check(folder)[1].refuse()
