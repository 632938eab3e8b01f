import json

import numpy as np
import pytest
import torch

from condetr.core.errors import AnnotationError, DataError
from condetr.data.checks.problems import ProblemKind
from condetr.data.classes import Classes
from condetr.data.convert import convert
from condetr.data.discovery.formats import layout_of, read_dataset
from condetr.data.object_masks import object_masks
from tests.unit.data.checking import check
from tests.unit.data.panoptic import HEIGHT, WIDTH, content, numbers, panoptic_folder, save_numbers


def test_segments_are_objects_and_crowds(tmp_path):
    dataset = read_dataset(panoptic_folder(tmp_path), masks=True)
    assert not dataset.report
    assert dataset.classes == Classes(("cat", "dog", "sky"), (3, 17, 90), stuff=(2,))
    example = dataset[0]
    assert example.path == tmp_path / "val2017" / "1.jpg"
    assert [(labeled.id, labeled.label, labeled.area, labeled.box) for labeled in example.objects] == [
        (8_000, 0, 400, (5, 10, 25, 30)),
        (9_001, 0, 480, (30, 20, 50, 44)),
        (700_000, 2, 1920, (0, 0, 64, 48)),
    ]
    assert [(crowd.id, crowd.label) for crowd in example.crowds] == [(66_000, 1)]
    masks = object_masks(example, example.objects)
    assert torch.equal(masks[1], torch.from_numpy(numbers() == 9_001))
    assert object_masks(example, ()).shape == (0, HEIGHT, WIDTH)


@pytest.mark.parametrize("name", ["panoptic_val2017", "labels"])
def test_the_format_of_a_folder_is_detected_by_content(tmp_path, name):
    path = panoptic_folder(tmp_path, name=name)
    for position in (tmp_path, path):
        layout = layout_of(position, panoptic=True)
        assert layout.format == layout_of(position).format == "coco-panoptic"
    assert len(read_dataset(tmp_path)[0].objects) == 3


def test_beside_boxes_the_panoptic_file_is_read_on_request(tmp_path, shared):
    path = panoptic_folder(tmp_path)
    boxes = {"images": content()["images"], "categories": content()["categories"], "annotations": []}
    boxes["annotations"] = [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}]
    path.with_name("instances_val2017.json").write_text(json.dumps(boxes))
    assert layout_of(tmp_path).format == "coco"
    assert not layout_of(tmp_path).report
    assert layout_of(tmp_path, panoptic=True).format == "coco-panoptic"
    assert read_dataset(tmp_path)[0].segments is None
    assert read_dataset(tmp_path, panoptic=True)[0].segments is not None
    path.unlink()
    with pytest.raises(DataError, match="not panoptic"):
        read_dataset(tmp_path, panoptic=True)


def test_a_description_file_names_it(tmp_path):
    panoptic_folder(tmp_path)
    description = tmp_path / "set.yaml"
    text = "splits: {val: {annotations: annotations/panoptic_val2017.json, images: val2017}}"
    description.write_text(text)
    assert len(read_dataset(description, masks=True, panoptic=True)) == 2


def test_boxes_and_areas_that_are_missing_are_measured(tmp_path):
    original = content()
    for annotation in original["annotations"]:
        for info in annotation["segments_info"]:
            del info["bbox"], info["area"]
    measured = read_dataset(panoptic_folder(tmp_path / "b", original))
    stated = read_dataset(panoptic_folder(tmp_path / "a"), masks=True)
    assert measured[0].objects == stated[0].objects


def broken(tmp_path, change, **more):
    original = content()
    change(original)
    return check(panoptic_folder(tmp_path, original, **more))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda g: g["annotations"][0]["segments_info"][0].update(id=9_001), ProblemKind.DUPLICATE_ANNOTATION_ID),
        (lambda g: g["annotations"][0]["segments_info"][0].update(id=0), ProblemKind.BAD_FIELD),
        (lambda g: g["annotations"][0]["segments_info"][0].update(id=2**24), ProblemKind.BAD_FIELD),
        (lambda g: g["annotations"][0]["segments_info"][0].update(category_id=5), ProblemKind.UNKNOWN_CATEGORY),
        (lambda g: g["annotations"][0]["segments_info"][0].update(iscrowd=2), ProblemKind.BAD_FIELD),
        (lambda g: g["annotations"][0].update(segments_info={}), ProblemKind.BAD_FIELD),
        (lambda g: g["annotations"][0].update(file_name="../../../x.png"), ProblemKind.OUTSIDE_NAME),
        (lambda g: g["annotations"][0].update(image_id=2), ProblemKind.DUPLICATE_ANNOTATION_ID),
        (lambda g: g["categories"][0].update(isthing="no"), ProblemKind.BAD_FIELD),
    ],
)
def test_what_is_refused(tmp_path, change, reason):
    _, report = broken(tmp_path, change)
    assert reason in report.counts
    with pytest.raises(AnnotationError):
        report.refuse()


@pytest.mark.parametrize(
    ("change", "reason", "left"),
    [
        (lambda g: g["annotations"].pop(), ProblemKind.MISSING_LABELS, 1),
        (lambda g: g["annotations"][0].update(file_name="no.png"), ProblemKind.MISSING_LABELS, 1),
        (lambda g: g["annotations"][0].update(image_id=77), ProblemKind.ORPHAN_ANNOTATION, 1),
        (lambda g: g["annotations"][0]["segments_info"][0].update(id=5), ProblemKind.BAD_SEGMENTATION, 2),
        (lambda g: g["annotations"][0]["segments_info"].pop(0), ProblemKind.UNLISTED_SEGMENT, 2),
    ],
)
def test_what_is_left_out_or_noted(tmp_path, change, reason, left):
    splits, report = broken(tmp_path, change)
    assert report.counts[reason] == 1
    report.refuse()
    assert len(splits["val"]) == left


def test_a_png_of_another_size_leaves_out_its_image(tmp_path):
    path = panoptic_folder(tmp_path)
    save_numbers(path.with_suffix("") / "1.png", numbers()[:-1])
    dataset = read_dataset(path)
    assert dataset.report.counts == {ProblemKind.BAD_LABELS: 1}
    assert [example.image_id for example in dataset] == [2]


@pytest.mark.parametrize("damage", ["cut", "gray"])
def test_a_png_that_cannot_be_used_leaves_out_its_image(tmp_path, damage):
    from PIL import Image

    path = panoptic_folder(tmp_path)
    png = path.with_suffix("") / "1.png"
    if damage == "cut":
        png.write_bytes(png.read_bytes()[:-60])
    else:
        Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(png)
    dataset = read_dataset(path, masks=True)
    assert dataset.report.counts == {ProblemKind.BAD_LABELS: 1}
    assert len(dataset) == 1


def test_there_and_back(tmp_path):
    original = read_dataset(panoptic_folder(tmp_path / "in"), masks=True)
    assert not convert({"val": original}, tmp_path / "out", "coco-panoptic")
    assert not convert({"val": original}, tmp_path / "coco", "coco")
    back = read_dataset(tmp_path / "out", masks=True, panoptic=True)
    instances = read_dataset(tmp_path / "coco", masks=True)
    for other in (back, instances):
        assert not other.report
        assert other.classes == original.classes
        for one, twin in zip(original, other, strict=True):
            assert [(o.label, o.box, o.area) for o in one.objects] == [(o.label, o.box, o.area) for o in twin.objects]
            assert torch.equal(object_masks(one, one.objects), object_masks(twin, twin.objects))
            assert torch.equal(object_masks(one, one.crowds), object_masks(twin, twin.crowds))


def test_pixels_that_objects_share_go_to_one_and_are_reported(coco, tmp_path):
    from tests.unit.data.conftest import good_content

    original = good_content()
    large, small, hidden = ([[0, 0, 40, 0, 40, 40, 0, 40]], [[10, 10, 20, 10, 20, 20, 10, 20]], [[1, 1, 5, 1, 5, 5]])
    for row, outline in zip(original["annotations"], (large, small, hidden, hidden, large), strict=True):
        row["segmentation"] = outline
    dataset = read_dataset(coco(original), masks=True)
    report = convert({"train": dataset}, tmp_path / "out", "coco-panoptic")
    assert report.counts == {ProblemKind.OVERLAP: 1, ProblemKind.COVERED: 1}
    back = read_dataset(tmp_path / "out", masks=True, panoptic=True)
    assert [item.area for item in back[0].objects] == [1600 - 100, 100]
    without = read_dataset(coco(original))
    with pytest.raises(AnnotationError, match="read the dataset with masks"):
        convert({"train": without}, tmp_path / "again", "coco-panoptic")


def test_the_coco_sample(shared):
    dataset = read_dataset(shared / "data" / "coco-sample", masks=True, panoptic=True)
    assert not dataset.report
    assert [(len(item.objects), len(item.crowds)) for item in dataset] == [(6, 0), (17, 1), (30, 2)]
    assert len(dataset.classes.stuff) == 53
    for example in dataset:
        masks = object_masks(example, (*example.objects, *example.crowds))
        assert masks.sum(0).max() == 1
        assert masks.flatten(1).sum(1).tolist() == [item.area for item in (*example.objects, *example.crowds)]
