import json
import os

import pytest

from condetr.core.errors import AnnotationError, DataError
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.formats import read_dataset
from tests.unit.data.conftest import good_content, image, sideways

SQUARE = [[5, 5, 25, 5, 25, 25, 5, 25]]


def test_reads_what_is_there(coco):
    dataset = read_dataset(coco())
    assert dataset.classes.names == ("dog", "cat", "ант")
    assert dataset.classes.source_ids == (4, 9, 17)
    assert [len(example.objects) for example in dataset] == [2, 2, 0]
    assert [len(example.crowds) for example in dataset] == [0, 0, 1]
    assert [example.size for example in dataset] == [(64, 96), (96, 64), (80, 80)]
    first = dataset[0].objects[0]
    assert (first.label, first.box, first.area, first.id) == (1, (5.0, 5.0, 25.0, 25.0), 400.0, 1)
    assert dataset[1].objects[1].box == (1.5, 2.5, 4.75, 7.25)
    assert not dataset.report


def test_annotations_are_kept_as_ap_compares_with_them(coco):
    """Also where nothing can be learned from them; the order is the file's."""
    content = good_content()
    boxes = ([1.1, 2, 3.3, 4], [-10, 5, 20.5, 20], [5, 5, 0, 7], [-50, 5, 10, 10])
    content["annotations"] = [
        {"id": 9 - number, "image_id": 1, "category_id": 9, "bbox": box, "area": 7.5, "iscrowd": number % 2}
        for number, box in enumerate(boxes)
    ]
    first = read_dataset(coco(content))[0]
    kept = [*first.objects, *first.crowds, *first.lost, *first.lost_crowds]
    assert [item.id for item in kept] == [9, 8, 7, 6]
    assert [item.order for item in kept] == [0, 1, 2, 3]
    assert [item.annotated for item in kept] == [(*box, 7.5) for box in boxes]
    assert all(item.annotated is None for example in read_dataset(coco()) for item in example.objects)


def changed(path, value):
    """The good content with one place changed: ("annotations", 3, "bbox")."""
    content = good_content()
    *way, last = path
    inner = content
    for step in way:
        inner = inner[step]
    if value is DELETED:
        del inner[last]
    else:
        inner[last] = value
    return content


DELETED = object()
FOURTH = ("annotations", 3)
LEFT_OUT = [  # place, value, reason, objects left
    ((*FOURTH, "bbox"), [5, 5, 0, 20], ProblemKind.EMPTY_BOX, 3),
    ((*FOURTH, "bbox"), [5, 5, 20, -0.0], ProblemKind.EMPTY_BOX, 3),
    ((*FOURTH, "bbox"), [5, 5, -3, 20], ProblemKind.EMPTY_BOX, 3),
    ((*FOURTH, "bbox"), [64, 5, 10, 20], ProblemKind.OUTSIDE_BOX, 3),
    ((*FOURTH, "bbox"), [-20, -20, 20, 20], ProblemKind.OUTSIDE_BOX, 3),
    ((*FOURTH, "bbox"), [0, 0, 1e30, 1e30], ProblemKind.OUTSIDE_BOX, 3),
    ((*FOURTH, "bbox"), [0, 0, 10**400, 5], ProblemKind.NOT_FINITE_BOX, 3),
    ((*FOURTH, "bbox"), [float("nan"), 5, 5, 5], ProblemKind.NOT_FINITE_BOX, 3),
    ((*FOURTH, "bbox"), [-1e308, 5, float("inf"), 5], ProblemKind.NOT_FINITE_BOX, 3),
    ((*FOURTH, "image_id"), 999, ProblemKind.ORPHAN_ANNOTATION, 3),
    (("images", 1, "file_name"), "B.PNG", ProblemKind.MISSING_PICTURE, 2),
    (("images", 1, "file_name"), "https://example.org/b.png", ProblemKind.URL_PICTURE, 2),
    (("images", 1, "file_name"), "n" * 5000, ProblemKind.MISSING_PICTURE, 2),
    (("images", 1, "file_name"), "\ud800.png", ProblemKind.MISSING_PICTURE, 2),
    (("images", 1, "file_name"), ".", ProblemKind.UNREADABLE_PICTURE, 2),
    (("images", 1, "width"), 65, ProblemKind.WRONG_SIZE, 4),
    (("images", 1, "width"), "64", ProblemKind.WRONG_SIZE, 4),
    ((*FOURTH, "area"), float("nan"), ProblemKind.AREA_OF_BOX, 4),
    ((*FOURTH, "area"), -1, ProblemKind.AREA_OF_BOX, 4),
    ((*FOURTH, "area"), DELETED, ProblemKind.AREA_OF_BOX, 4),
    ((*FOURTH, "bbox"), [60, 90, 20, 20], ProblemKind.CLIPPED_BOX, 4),
    ((*FOURTH, "bbox"), [60, 90, 4.5, 6.02], ProblemKind.ROUNDED_BOX, 4),
    (("categories", 2, "name"), "dog", ProblemKind.DUPLICATE_NAME, 4),
]


@pytest.mark.parametrize(("position", "value", "reason", "left"), LEFT_OUT)
def test_one_problem_is_left_out_or_changed_and_reported(coco, position, value, reason, left):
    dataset = read_dataset(coco(changed(position, value)))
    assert sum(len(example.objects) for example in dataset) == left
    assert dataset.report.counts == {reason: 1}
    (finding,) = dataset.report.of(reason)
    assert "instances_train.json" in finding.source
    if position[0] == "annotations":
        assert finding.item.startswith("annotation 4")


def test_a_category_that_is_called_like_another_keeps_its_objects(coco):
    """Roboflow's first category is the project, often called like its only class."""
    dataset = read_dataset(coco(changed(("categories", 2, "name"), "dog")))
    assert dataset.classes.names == ("dog (4)", "cat", "dog")
    before = read_dataset(coco(changed(("categories", 2, "name"), "cat-like")))
    assert [example.objects for example in dataset] == [example.objects for example in before]


REFUSED = [  # place, value, words
    ((*FOURTH, "bbox"), [1, 2, 3], ["annotation 4", "bbox [1, 2, 3]", "expected 4 numbers"]),
    ((*FOURTH, "bbox"), [1, 2, 3, 4, 45], ["annotation 4", "bbox [1, 2, 3, 4, 45]", "expected 4 numbers"]),
    ((*FOURTH, "bbox"), ["1", "2", "3", "4"], ["annotation 4", "bbox '1'", "expected a number"]),
    ((*FOURTH, "bbox"), [1, 2, True, 4], ["annotation 4", "bbox True", "expected a number"]),
    ((*FOURTH, "bbox"), {"x": 1}, ["annotation 4", "bbox"]),
    ((*FOURTH, "bbox"), DELETED, ["annotation 4", "bbox", "None"]),
    ((*FOURTH, "category_id"), DELETED, ["annotation 4", "category_id"]),
    ((*FOURTH, "category_id"), -1, ["annotation 4", "-1"]),
    ((*FOURTH, "category_id"), "9", ["annotation 4", "'9'"]),
    ((*FOURTH, "category_id"), 9.0, ["annotation 4", "9.0", "float"]),
    ((*FOURTH, "image_id"), "2", ["annotation 4", "str", "int"]),
    ((*FOURTH, "image_id"), DELETED, ["annotation 4", "image_id"]),
    ((*FOURTH, "image_id"), None, ["annotation 4", "image_id", "NoneType"]),
    ((*FOURTH, "id"), 1, ["annotation 1", "duplicate annotation id"]),
    ((*FOURTH, "id"), [], ["annotations[3]", "id"]),
    ((*FOURTH, "iscrowd"), 2, ["annotation 4", "iscrowd"]),
    ((*FOURTH, "iscrowd"), "no", ["annotation 4", "iscrowd"]),
    (FOURTH, "x", ["annotations[3]", "object"]),
    (("images", 1, "id"), 1, ["image 1", "duplicate image id"]),
    (("images", 1, "id"), True, ["images[1]", "id", "bool"]),
    (("images", 1, "id"), 2**63, ["images[1]", "9223372036854775808", "64 bits"]),
    (("images", 1, "file_name"), None, ["image 2", "file_name"]),
    (("images", 1, "file_name"), "", ["image 2", "file_name"]),
    (("images", 1, "file_name"), "b\0.png", ["image 2", "file_name"]),
    (("images", 1, "file_name"), "../../secret.png", ["secret.png", "outside"]),
    (("images", 1, "file_name"), "..\\..\\secret.png", ["secret.png", "outside"]),
    (("images", 1, "file_name"), "a/../../../secret.png", ["secret.png", "outside"]),
    (("images", 1, "file_name"), "/etc/passwd", ["passwd", "outside"]),
    (("images", 1, "file_name"), "C:\\pictures\\secret.png", ["secret.png", "outside"]),
    (("images", 1), 7, ["images[1]", "object"]),
    (("categories", 1, "id"), 9, ["category 9", "duplicate category id"]),
    (("categories", 1, "id"), None, ["categories[1]", "id"]),
    (("categories", 1, "name"), None, ["category 4", "name"]),
    (("categories", 1, "name"), " ", ["category 4", "name"]),
    (("images",), {}, ["images", "list"]),
    (("images",), [], ["images", "empty"]),
    (("annotations",), None, ["annotations", "list"]),
    (("annotations",), DELETED, ["annotations"]),
    (("categories",), DELETED, ["categories"]),
    (("categories",), [], ["categories", "empty"]),
]


@pytest.mark.parametrize(("position", "value", "words"), REFUSED)
def test_what_could_mislead_a_model_is_refused_with_a_reason(coco, position, value, words):
    with pytest.raises(AnnotationError) as caught:
        read_dataset(coco(changed(position, value)))
    for word in ["instances_train.json", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        "C:\\Users\\me\\images\\b.png",
        "/content/drive/MyDrive/set/images/b.png",
        "../pictures/b.png",
        "images\\1/b.png",  # Label Studio's, with the number of its project
        "..\\..\\label-studio\\media\\upload\\4\\b.png",
        "train/b.png",
    ],
)
def test_paths_of_other_machines_are_read_by_their_end(coco, name):
    dataset = read_dataset(coco(changed(("images", 1, "file_name"), name)))
    assert [dataset.name_of(example) for example in dataset] == ["a.jpg", "b.png", "c.jpg"]
    (finding,) = dataset.report
    assert (finding.kind, "is read as 'b.png'" in finding.message) == (ProblemKind.CONVERTED_NAME, True)


@pytest.mark.parametrize("names", [("train/b.png", "val/b.png"), ("/set/b.png", "b.png"), ("b.png", "C:\\b.png")])
def test_two_names_of_one_image_are_refused(coco, names):
    content = changed(("images", 0, "file_name"), names[0])
    content["images"][1]["file_name"] = names[1]
    with pytest.raises(AnnotationError, match=r"is read as b\.png, and so is"):
        read_dataset(coco(content))


def test_names_of_other_systems_are_converted(coco):
    path = coco(changed(("images", 0, "file_name"), "deep\\é.jpg"))
    image(path.parent.parent / "images" / "deep" / "e\u0301.jpg")
    dataset = read_dataset(path)
    assert dataset.name_of(dataset[0]) == "deep/e\u0301.jpg"
    assert dataset.report.counts == {ProblemKind.CONVERTED_NAME: 1}


@pytest.mark.skipif(os.name == "nt", reason="needs links")
@pytest.mark.parametrize(
    ("target", "reason"), [("outside", ProblemKind.LINKED_PICTURE), ("loop", ProblemKind.UNREADABLE_PICTURE)]
)
def test_links_are_reported(coco, tmp_path, target, reason):
    path = coco(changed(("images", 0, "file_name"), "link.jpg"))
    link = path.parent.parent / "images/link.jpg"
    link.symlink_to(image(tmp_path / "elsewhere/x.jpg") if target == "outside" else link)
    assert reason in read_dataset(path).report.counts


def test_a_pipe_does_not_block(coco):
    path = coco(changed(("images", 0, "file_name"), "pipe.jpg"))
    os.mkfifo(path.parent.parent / "images/pipe.jpg")
    assert read_dataset(path).report.counts == {ProblemKind.UNREADABLE_PICTURE: 1}


def test_exif_turns_the_image_before_its_boxes_are_checked(coco):
    path = coco(changed(("images", 1, "file_name"), "turned.jpg"))
    image(path.parent.parent / "images/turned.jpg", (96, 64), exif=sideways())
    dataset = read_dataset(path)
    assert dataset[1].size == (96, 64)  # what the file states: width 64, height 96
    assert not dataset.report


def test_a_size_before_exif_rotation_is_reported_as_such(coco):
    content = changed(("images", 0, "file_name"), "turned.jpg")
    path = coco(content)
    image(path.parent.parent / "images/turned.jpg", (96, 64), exif=sideways())
    (finding,) = read_dataset(path).report.of(ProblemKind.WRONG_SIZE)
    assert "EXIF" in finding.message


def test_masks_are_checked_on_request(coco):
    content = good_content()
    for annotation in content["annotations"]:
        annotation["segmentation"] = SQUARE
    content["annotations"][1]["segmentation"] = {"size": [64, 96], "counts": [0, 10_000_000]}
    del content["annotations"][2]["segmentation"]
    path = coco(content)
    assert sum(len(example.objects) for example in read_dataset(path)) == 4
    assert all(labeled.segmentation is None for example in read_dataset(path) for labeled in example.objects)
    dataset = read_dataset(path, masks=True)
    assert [len(example.objects) for example in dataset] == [1, 1, 0]
    assert dataset[0].objects[0].segmentation == SQUARE
    assert dataset.report.counts == {ProblemKind.BAD_SEGMENTATION: 2}


@pytest.mark.parametrize("outline", [SQUARE, {"size": [64, 96], "counts": [6, 64 * 96 - 6]}])
def test_outlines_are_checked_without_painting_them(coco, monkeypatch, outline):
    """It would take a hundred times as long, for every object, at every start."""
    content = good_content()
    for annotation in content["annotations"]:
        annotation["segmentation"] = outline if annotation["image_id"] == 1 else SQUARE
        annotation.pop("bbox")
    for module in ("polygons.mask_of_polygons", "rle.mask_of_rle"):
        painting = module.split(".")[1]
        monkeypatch.setattr(f"condetr.images.masks.{module}", None)
        monkeypatch.setattr(f"condetr.images.coco_labels.segmentation.{painting}", None)
    assert [len(example.objects) for example in read_dataset(coco(content), masks=True)] == [2, 2, 0]


@pytest.mark.parametrize(
    ("outline", "box"),
    [
        ([[5, 5, 25.5, 5, 25, 25, 5, 25]], (5, 5, 25.5, 25)),
        ({"size": [64, 96], "counts": [64 * 5 + 3, 10, 64 * 90 + 64 - 13]}, (5, 3, 6, 13)),
    ],
)
def test_a_missing_box_is_that_of_the_outline(coco, outline, box):
    content = good_content()
    del content["annotations"][0]["bbox"]
    content["annotations"][0]["segmentation"] = outline
    dataset = read_dataset(coco(content))
    assert dataset[0].objects[0].box == box
    assert dataset.report.counts == {ProblemKind.BOX_OF_OUTLINE: 1}


def test_refusal_counts_the_others(coco):
    content = good_content()
    for annotation in content["annotations"]:
        annotation["category_id"] = 77
    with pytest.raises(AnnotationError, match="and 4 more like it"):
        read_dataset(coco(content))


def test_without_a_usable_image_the_error_has_the_reason(coco):
    content = good_content()
    for item in content["images"]:
        item["file_name"] = "gone-" + item["file_name"]
    with pytest.raises(DataError, match=r"no usable image.*gone-a\.jpg does not exist"):
        read_dataset(coco(content))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_any_unicode_encoding(coco, encoding):
    path = coco()
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    assert read_dataset(path).classes.names[2] == "ант"


HOSTILE = {
    "empty": "",
    "cut": json.dumps(good_content())[:-40],
    "list": "[]",
    "number": "3",
    "deep": '{"images": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "digits": '{"images": [{"id": ' + "9" * 5000 + "}]}",
    "two": "{}{}",
    "comment": '{"images": [] // none\n}',
    "python": "{'images': []}",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_no_json_of_coco_is_refused_by_name(coco, text):
    with pytest.raises(DataError, match=r"instances_train\.json"):
        read_dataset(coco(text))


def test_a_duplicate_key_is_refused(coco):
    text = json.dumps(good_content()).replace('"area": 400', '"area": 400, "bbox": [1, 2, 3, 4]')
    with pytest.raises(AnnotationError, match="duplicate key 'bbox' in one object"):
        read_dataset(coco(text))


def test_latin_1_is_refused_by_name(coco):
    path = coco()
    path.write_bytes('{"images": ["é"]}'.encode("latin-1"))
    with pytest.raises(AnnotationError, match=r"instances_train\.json: is not utf-8 text at byte 13"):
        read_dataset(path)


def test_a_missing_box_is_that_of_the_keypoints_that_are_labeled(coco):
    content = good_content()
    for annotation, bbox in zip(content["annotations"], ({}, {"bbox": None}, {"bbox": []}, {}), strict=False):
        annotation.pop("bbox")
        annotation |= bbox | {"keypoints": [10, 20, 2, 0, 0, 0, 30, 50, 1], "segmentation": []}
    content["annotations"][3]["keypoints"] = [0, 0, 0] * 17
    dataset = read_dataset(coco(content))
    assert [labeled.box for example in dataset for labeled in example.objects] == [(10, 20, 30, 50)] * 3
    counts = dataset.report.counts
    assert (counts[ProblemKind.BOX_OF_KEYPOINTS], counts[ProblemKind.EMPTY_BOX]) == (3, 1)
