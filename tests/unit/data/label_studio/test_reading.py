"""Label Studio's exports as its documentation writes them."""

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


def result(kind, value, labels=("cup",), **more):
    frame = {"id": "r1", "from_name": "label", "to_name": "image", "original_width": 60, "original_height": 40}
    return frame | {"type": kind, "image_rotation": 0, "value": {**value, kind: list(labels)}} | more


RECTANGLE = {"x": 50, "y": 25, "width": 25, "height": 50, "rotation": 0}
BOX = (30, 10, 45, 30)


def task(*results, name="/data/upload/3/0a1b2c3d-cup.jpg", **more):
    annotations = [{"id": 5, "result": list(results), "was_cancelled": False, "ground_truth": False}]
    return {"id": 1, "annotations": annotations, "predictions": [], "data": {"image": name}} | more


@pytest.fixture
def export(tmp_path):
    def write_tasks(*tasks, images=("cup.jpg",), name="project-1.json"):
        for seed, file in enumerate(images):
            image(tmp_path / "images" / file, (60, 40), seed=seed)
        write(tmp_path / name, json.dumps(tasks))
        return tmp_path

    return write_tasks


NAMES = {
    "/data/upload/3/0a1b2c3d-cup.jpg": "cup.jpg",
    "/data/upload/3/0a1b2c3d-cup.JPG": "0a1b2c3d-cup.jpg",
    "/data/local-files/?d=photos/day%201/cup%20%C3%A9.jpg": "day 1/cup é.jpg",
    "/data/local-files/?d=D:\\photos\\cup.jpg": "cup.jpg",
    "https://labels.example.org/data/upload/cup.jpg?token=abc": "cup.jpg",
    "s3://bucket/photos/cup%20x.jpg": "cup x.jpg",
    "cup.jpg": "0a1b2c3d-cup.jpg",
    "upload/3/cup.jpg": "cup.jpg",
}


@pytest.mark.parametrize("name", NAMES)
def test_images_are_found_by_the_end_of_their_address(export, name):
    folder = export(task(result("rectanglelabels", RECTANGLE), name=name), images=(NAMES[name], "other.jpg"))
    objects, problems = found(folder)
    assert objects == {"all": {f"images/{NAMES[name]}": [("cup", BOX)]}}
    assert problems["converted_name"] == 1
    assert layout_of(folder).format == layout_of(folder / "project-1.json").format == "label-studio"


def test_json_min(export):
    region = {**RECTANGLE, "rectanglelabels": ["hand"], "original_width": 60, "original_height": 40}
    text = {"choices": "good", "lead_time": 3.2, "annotator": 1, "annotation_id": 7}
    folder = export(
        {"image": "/data/upload/cup.jpg", "id": 1, "label": [region, region | {"rectanglelabels": ["cup"]}], **text},
        {"image": "/data/upload/b.jpg", "id": 2, **text},
        images=("cup.jpg", "b.jpg"),
    )
    objects, problems = found(folder)
    assert objects["all"] == {"images/cup.jpg": [("hand", BOX), ("cup", BOX)], "images/b.jpg": []}
    assert read_dataset(folder).classes.names == ("cup", "hand")
    assert not problems["bad_field"]


def brush(alpha):
    """Label Studio's packing, every run of another length, single bytes and repeated ones."""
    values = np.repeat(alpha.astype(np.uint8).ravel() * 255, 4).tolist()
    bits = f"{len(values):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    at = 0
    while at < len(values):
        run = next((n for n in range(1, len(values) - at) if values[at + n] != values[at]), len(values) - at)
        if run == 4:
            bits += f"0{1:02b}{3:04b}" + "".join(f"{value:08b}" for value in values[at : at + 4])
        else:
            bits += f"1{3:02b}{run - 1:016b}{values[at]:08b}"
        at += run
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def bitmask(alpha):
    stream = io.BytesIO()
    pixels = np.zeros((*alpha.shape, 4), np.uint8)
    pixels[..., 3] = alpha * 255
    Image.fromarray(pixels).save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()


def test_every_shape_is_read_or_counted(export):
    alpha = np.zeros((40, 60), bool)
    alpha[5:15, 20:24] = True
    alpha[30, 50] = True
    others = [{"id": f"n{number}", "type": kind, "value": value} for number, (kind, value) in enumerate((
        ("choices", {"choices": ["day"]}),
        ("keypointlabels", {"x": 1, "y": 1, "width": 0.5, "keypointlabels": ["cup"]}),
        ("relation", {}),
        ("rectangle", RECTANGLE),
    ))]  # fmt: skip
    shapes = (
        result("polygonlabels", {"points": [[50, 50], [100, 50], [100, 100]], "closed": True}, id="a"),
        result("ellipselabels", {"x": 50, "y": 50, "radiusX": 10, "radiusY": 10, "rotation": 0}, id="b"),
        result("rectanglelabels", RECTANGLE | {"rotation": 90}, id="c"),
        result("brushlabels", {"format": "rle", "rle": brush(alpha)}, id="d"),
        result("bitmasklabels", {"imageDataURL": bitmask(alpha)}, id="e"),
        result("rectanglelabels", RECTANGLE, labels=("cup", "hand"), id="f"),
    )
    folder = export(task(*shapes, *others))
    objects, problems = found(folder)
    assert [box for _, box in objects["all"]["images/cup.jpg"]] == [
        (30, 20, 60, 40),
        (24, 16, 36, 24),
        (10, 10, 30, 25),
        (20, 5, 51, 31),
        (20, 5, 51, 31),
        BOX,
    ]
    expected = {"no_object": 3, "no_class": 1, "oriented_box": 1, "box_of_outline": 2, "several_classes": 1}
    assert {code: problems[code] for code in expected} == expected
    assert mask_areas(folder)["images/cup.jpg"][2:] == [300, 41, 41]


def test_a_label_beside_its_rectangle(export):
    pair = ({"id": "x", "type": "rectangle", "value": RECTANGLE}, result("labels", RECTANGLE, id="x"))
    text = {"id": "x", "type": "textarea", "value": {**RECTANGLE, "text": ["note"]}}
    for results in ((*pair, text), (*pair[::-1], text)):
        objects, _ = found(export(task(*results)))
        assert objects["all"] == {"images/cup.jpg": [("cup", BOX)]}


def test_of_several_annotations_the_truth_or_the_newest_is_used(export):
    def annotation(number, x, **more):
        return {"id": number, "result": [result("rectanglelabels", RECTANGLE | {"x": x})], **more}

    old, new = annotation(1, 0, updated_at="2026-01-01"), annotation(2, 50, updated_at="2026-02-01")
    truth, skipped = annotation(3, 25, ground_truth=True), annotation(4, 75, was_cancelled=True, updated_at="2027")
    for annotations, left in (([old, new], 30), ([new, old, skipped], 30), ([old, truth, new], 15)):
        folder = export(task(annotations=annotations, predictions=[{"result": []}]))
        objects, problems = found(folder)
        assert objects["all"]["images/cup.jpg"][0][1][0] == left
        assert problems["other_annotations"] == len([each for each in annotations if each != skipped])


def test_tasks_without_annotation_are_no_empty_images(export):
    tasks = (
        task(result("rectanglelabels", RECTANGLE)),
        task(name="b.jpg"),
        task(name="c.jpg", annotations=[]),
        task(name="d.jpg", annotations=[{"id": 1, "result": [], "was_cancelled": True}]),
    )
    objects, problems = found(export(*tasks, images=("cup.jpg", "b.jpg", "c.jpg", "d.jpg")))
    assert objects["all"] == {"images/cup.jpg": [("cup", BOX)], "images/b.jpg": []}
    assert problems["not_labeled"] == 2


def test_several_images_of_a_task(export):
    results = result("rectanglelabels", RECTANGLE, item_index=1), result("rectanglelabels", RECTANGLE, id="z")
    folder = export(task(*results, data={"pages": ["/data/a.jpg", "/data/b.jpg"]}), images=("a.jpg", "b.jpg"))
    assert found(folder)[0]["all"] == {"images/a.jpg": [("cup", BOX)], "images/b.jpg": [("cup", BOX)]}


def test_a_large_export_is_not_taken_for_coco(export):
    many = [result("rectanglelabels", RECTANGLE, id=f"r{number}") for number in range(500)]
    folder = export(task(*many))
    assert (folder / "project-1.json").stat().st_size > 2**16
    assert len(found(folder)[0]["all"]["images/cup.jpg"]) == 500


WRONG = {
    "bad_segmentation": result("brushlabels", {"rle": [1, 2, 3]}, id="w"),
    "bad_field": result("rectanglelabels", RECTANGLE | {"x": "left"}, id="w"),
    "outside_box": result("rectanglelabels", RECTANGLE | {"x": 150}, id="w"),
}


@pytest.mark.parametrize("code", WRONG)
def test_what_is_wrong_is_left_out_or_refused(export, code):
    objects, problems = found(export(task(WRONG[code], result("rectanglelabels", RECTANGLE))))
    assert problems[code] == 1
    assert objects["all"]["images/cup.jpg"] == [("cup", BOX)]


def test_masks_of_another_size_or_cut_off(export):
    alpha = np.ones((40, 60), bool)
    wrong = (
        result("brushlabels", {"rle": brush(alpha)[:-2]}),
        result("brushlabels", {"rle": brush(alpha[:20])}),
        result("brushlabels", {"rle": brush(alpha)}, original_width=61),
        result("rectanglelabels", RECTANGLE, image_rotation=90),
    )
    for each in wrong:
        assert found(export(task(each)))[1]["bad_segmentation"] == 1


def test_no_object_at_all_is_an_error(export):
    with pytest.raises(AnnotationError, match="nothing to train on"):
        check(export(task(annotations=[])))[1].refuse()
