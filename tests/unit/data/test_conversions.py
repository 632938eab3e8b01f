"""Every format written from every other and read back: the same but for what the format cannot hold."""

import json
from pathlib import Path

import pytest
import torch
import yaml

from condetr.core.errors import AnnotationError, DataError, UsageError
from condetr.data.checks.problems import Outcome, ProblemKind
from condetr.data.convert import convert, remarks
from condetr.data.discovery.formats import read_splits
from condetr.data.object_masks import object_masks
from condetr.images.masks.rle import rle_of_mask
from tests.unit.data.conftest import image

FORMATS = ("coco", "coco-panoptic", "yolo", "voc")
HOLD_MASKS, HOLD_CROWDS = ("coco", "coco-panoptic", "yolo"), ("coco", "coco-panoptic")
BOXES = {
    1: [(5, (0, 0, 9, 9)), (9, (20, 10, 41, 33))],
    2: [(9, (3, 2, 4, 3)), (5, (63, 47, 64, 48))],
    3: [],
    4: [(5, (1, 1, 30, 40))],
}
SPLITS = {"train": (1, 2), "val": (3, 4)}


def written(folder: Path, splits=SPLITS) -> Path:
    """Rectangles with outlines, boxes of one pixel, a crowd, and an image without objects."""
    for split, numbers in splits.items():
        annotations = []
        for number in numbers:
            image(folder / split / f"{split} {number}.png", (64, 48), seed=number)
            for category, (x1, y1, x2, y2) in BOXES[number]:
                outline = {"segmentation": [[x1, y1, x2, y1, x2, y2, x1, y2]], "iscrowd": 0, "category_id": category}
                box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "image_id": number}
                annotations.append(outline | box | {"id": 10 * number + len(annotations)})
            if number == 1:
                mask = torch.zeros(48, 64, dtype=torch.bool)
                mask[40:48, 50:64] = True
                crowd = {"segmentation": rle_of_mask(mask), "iscrowd": 1, "category_id": 9, "bbox": [50, 40, 14, 8]}
                annotations.append(crowd | {"area": 112, "image_id": 1, "id": 99})
        images = [{"id": item, "file_name": f"{split} {item}.png", "width": 64, "height": 48} for item in numbers]
        categories = [{"id": 9, "name": "cat"}, {"id": 5, "name": "a dog"}]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / "annotations").mkdir(exist_ok=True)
        (folder / f"annotations/instances_{split}.json").write_text(json.dumps(content))
    return folder


def seen_in(splits, *, masks, crowds):
    """What is on each image of each split, whatever it is called and in whatever order."""
    return {
        split: sorted(
            (example.path.read_bytes(), example.size, described(example, dataset, masks=masks, crowds=crowds))
            for example in dataset
        )
        for split, dataset in splits.items()
    }


def described(example, dataset, *, masks, crowds):
    found = []
    for kind, objects in (("object", example.objects), ("crowd", example.crowds if crowds else ())):
        each = object_masks(example, objects).flatten(1).tolist() if masks else [None] * len(objects)
        for labeled, mask in zip(objects, each, strict=True):
            found.append(
                (kind, dataset.classes.names[labeled.label], tuple(round(side, 6) for side in labeled.box), mask)
            )
    return sorted(found)


@pytest.mark.parametrize("splits", [SPLITS, {"all": (1, 2, 3, 4)}], ids=["train and val", "no splits"])
@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_every_format_becomes_every_other(tmp_path, source, to, splits):
    root = written(tmp_path / "coco", splits)
    if source != "coco":
        convert(read_splits(root, masks=True), tmp_path / "source", source)
        root = tmp_path / "source"
    masks = source in HOLD_MASKS
    original = read_splits(root, masks=masks, panoptic=source == "coco-panoptic")
    if to == "coco-panoptic" and not masks:
        with pytest.raises(AnnotationError):
            convert(original, tmp_path / "out", to)
        assert not (tmp_path / "out").exists()
        return
    report = convert(original, tmp_path / "out", to)
    masks = masks and to in HOLD_MASKS and (source, to) != ("coco-panoptic", "yolo")  # run lengths are no outlines
    crowds = source in HOLD_CROWDS and to in HOLD_CROWDS
    back = read_splits(tmp_path / "out", masks=masks, panoptic=to == "coco-panoptic")
    assert list(back) == list(original)
    assert seen_in(back, masks=masks, crowds=crowds) == seen_in(original, masks=masks, crowds=crowds)
    assert not any(dataset.report.count_of(outcome) for dataset in back.values() for outcome in list(Outcome)[:2])
    assert report.counts[ProblemKind.CROWD_LOST] == (source in HOLD_CROWDS and to not in HOLD_CROWDS)
    lost = 5 if source in HOLD_MASKS and to == "voc" else 5 if source == "coco-panoptic" and to == "yolo" else 0
    assert report.counts[ProblemKind.SEGMENTATION_LOST] == lost


def images_for_training(file: Path) -> dict[str, list[tuple[Path, Path]]]:
    """Images and label files of each key, as the documentation of YOLO's tools says that they find them."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert content["train"], "a training set is required"
    assert content["val"], "so is one to validate on"
    names = dict(enumerate(content["names"])) if isinstance(content["names"], list) else content["names"]
    assert list(names) == list(range(len(names)))
    root = Path(content.get("path") or file.parent)
    assert root.is_absolute(), "a relative path is looked for in the working directory, or in a folder of data sets"
    found = {}
    for key in ("train", "val", "test"):
        if content.get(key):
            images = sorted(path for path in (root / content[key]).rglob("*") if path.is_file())
            labels = [Path("/labels/".join(str(item).rsplit("/images/", 1))).with_suffix(".txt") for item in images]
            found[key] = list(zip(images, labels, strict=True))
    return found


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ({"all": (1, 3)}, {"train": 2, "val": 2}),
        ({"train": (1, 3)}, {"train": 2, "val": 2}),
        ({"val": (1, 3)}, {"train": 2, "val": 2}),
        ({"train": (1,), "test": (2, 3)}, {"train": 1, "val": 1, "test": 2}),
        ({"train": (1,), "val": (2, 3), "test": (4,)}, {"train": 1, "val": 2, "test": 1}),
        ({"trainval": (1, 4), "test": (2,)}, {"train": 2, "val": 2, "test": 1}),
    ],
    ids=lambda inputs: "+".join(inputs),
)
def test_yolo_is_as_its_own_tools_require_it(tmp_path, monkeypatch, splits, expected):
    original = read_splits(written(tmp_path / "coco", splits))
    convert(original, tmp_path / "out", "yolo")
    (tmp_path / "out").rename(tmp_path / "moved")  # to another place
    monkeypatch.chdir(tmp_path / "coco")
    found = images_for_training(tmp_path / "moved/data.yaml")
    assert {key: len(pairs) for key, pairs in found.items()} == expected
    for pairs in found.values():
        for path, labels in pairs:
            assert path.suffix == ".png"
            for line in labels.read_text().splitlines():
                category, *box = line.split()
                assert category in ("0", "1")
                assert all(0 <= float(number) <= 1 for number in box)
    back = read_splits(tmp_path / "moved")
    messages = " ".join(remarks(original, "yolo"))
    assert ("YOLO requires" in messages) == ("val" not in splits or "train" not in splits)
    counts = {
        split.replace("trainval", "train") if len(splits) > 1 else split: len(part) for split, part in original.items()
    }
    assert {split: len(part) for split, part in back.items()} == counts


def test_outlines_in_yolo_are_declared_as_outlines(tmp_path):
    convert(read_splits(written(tmp_path / "coco"), masks=True), tmp_path / "out", "yolo")
    assert yaml.safe_load((tmp_path / "out/data.yaml").read_text())["task"] == "segment"


@pytest.mark.parametrize("to", ["yolo", "voc"])
def test_a_split_that_cannot_be_read_back_is_not_written(tmp_path, to):
    original = read_splits(written(tmp_path / "coco"))
    with pytest.raises(UsageError, match="cannot hold fold"):
        convert({"train": original["train"], "fold": original["val"]}, tmp_path / "out", to)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["../up", "a/b", "", "a\0b", "a\nb", ".hidden", "x" * 300])
@pytest.mark.parametrize("to", FORMATS)
def test_names_of_splits_never_lead_out_of_the_folder(tmp_path, name, to):
    original = read_splits(written(tmp_path / "coco"))
    with pytest.raises(UsageError, match="cannot name files"):
        convert({name: original["train"]}, tmp_path / "out", to)
    assert [path.name for path in tmp_path.iterdir()] == ["coco"]


def test_two_names_of_one_split(tmp_path):
    original = read_splits(written(tmp_path / "coco"))
    with pytest.raises(UsageError, match="val and valid mean the same split"):
        convert({"val": original["train"], "valid": original["val"]}, tmp_path / "out", "coco")


@pytest.mark.parametrize("position", ["pictures/out", "pictures/deep/out", "link/out"])
def test_a_conversion_is_not_written_among_its_own_images(tmp_path, position):
    """Who reads the data set the next time would find them twice."""
    image(tmp_path / "pictures/a.png")
    (tmp_path / "pictures/a.txt").write_text("0 .5 .5 .2 .2\n")
    (tmp_path / "data.yaml").write_text("train: pictures\nnames: [cat]\n")
    (tmp_path / "link").symlink_to(tmp_path / "pictures")
    original = read_splits(tmp_path)
    with pytest.raises(UsageError, match="a folder of the images"):
        convert(original, tmp_path / position, "coco")
    convert(original, tmp_path / "out", "coco")  # beside them is as good as anywhere
    assert len(read_splits(tmp_path / "data.yaml")["train"]) == 1


def test_boxes_do_not_become_masks_of_nothing(tmp_path):
    convert(read_splits(written(tmp_path / "coco")), tmp_path / "boxes", "yolo")
    with pytest.raises(DataError, match="none has a usable segmentation"):
        convert(read_splits(tmp_path / "boxes", masks=True), tmp_path / "out", "coco-panoptic")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("to", FORMATS)
def test_images_without_any_object(tmp_path, to):
    original = read_splits(written(tmp_path / "coco", {"all": (3,)}), masks=True)
    if to == "voc":
        with pytest.raises(DataError, match="no list of classes"):
            convert(original, tmp_path / "out", to)
        assert not (tmp_path / "out").exists()
        return
    convert(original, tmp_path / "out", to)
    back = read_splits(tmp_path / "out", panoptic=to == "coco-panoptic")
    assert (len(back["all"]), back["all"].classes.names) == (1, ("a dog", "cat"))


def test_images_that_the_tools_of_yolo_ignore_are_reported(tmp_path):
    for name, size in (("a.gif", (64, 48)), ("b.png", (9, 48)), ("c.JPG", (64, 48))):
        image(tmp_path / "images" / name, size)
        (tmp_path / f"images/{name[0]}.txt").write_text("0 .5 .5 .2 .2\n")
    (tmp_path / "data.yaml").write_text("train: images\nval: images\nnames: [cat]\n")
    original = read_splits(tmp_path)
    messages = [remark for remark in remarks(original, "yolo") if "tools" in remark]
    assert ["2 images are too small" in item and "'a.gif', 'b.png'" in item for item in messages] == [True]
    assert not [remark for remark in remarks(original, "coco") if "tools" in remark]
