import json

import pytest
import yaml

from condetr.core.errors import AnnotationError, DataError, UsageError
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.formats import layout_of, read_dataset, read_splits
from condetr.data.discovery.split_names import split_named
from tests.unit.data.conftest import SIZES, good_content, image


def lay_out(root, json_file, images):
    for seed, (name, size) in enumerate(SIZES.items()):
        image(root / images / name, size, seed)
    path = root / json_file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(good_content()))


@pytest.mark.parametrize(
    ("json_file", "images", "split"),
    [
        ("annotations/instances_train2017.json", "train2017", "train"),
        ("annotations/instances_val2017.json", "images/val2017", "val"),
        ("annotations/train.json", "images/train", "train"),
        ("annotations/labels.json", "images", "all"),
        ("instances.json", ".", "all"),
        ("valid/_annotations.coco.json", "valid", "val"),
        ("test/labels.json", "test/data", "test"),
        ("labels.json", "data", "all"),
    ],
)
def test_usual_coco_layouts(tmp_path, json_file, images, split):
    lay_out(tmp_path / "set", json_file, images)
    layout = layout_of(tmp_path / "set")
    assert (layout.format, layout.names) == ("coco", [split])
    dataset = read_dataset(tmp_path / "set")
    assert (len(dataset), dataset.split) == (3, split)
    assert [len(example.objects) for example in read_dataset(tmp_path / "set" / json_file)] == [2, 2, 0]


def test_labels_of_other_tasks_are_skipped(tmp_path):
    lay_out(tmp_path, "annotations/instances_val2017.json", "val2017")
    for name in ("captions_val2017", "person_keypoints_val2017", "panoptic_val2017", "image_info_test2017"):
        (tmp_path / f"annotations/{name}.json").write_text('{"images": [], "annotations": []}')
    (tmp_path / "package.json").write_text('{"name": "x"}')
    assert layout_of(tmp_path).names == ["val"]


def test_two_files_for_one_split_are_refused(tmp_path):
    lay_out(tmp_path, "annotations/instances_val2014.json", "images")
    lay_out(tmp_path, "annotations/instances_val2017.json", "images")
    with pytest.raises(DataError, match="more than one"):
        layout_of(tmp_path)


def test_of_several_splits_one_must_be_named(tmp_path):
    lay_out(tmp_path, "annotations/train.json", "images")
    lay_out(tmp_path, "annotations/val.json", "images")
    with pytest.raises(DataError, match="there are train, val"):
        read_dataset(tmp_path)
    with pytest.raises(DataError, match="has no split 'test'; there are train, val"):
        read_dataset(tmp_path, "test")


def test_splits_must_agree_on_classes(tmp_path):
    lay_out(tmp_path, "annotations/train.json", "images")
    lay_out(tmp_path, "annotations/val.json", "images")
    content = good_content()
    content["categories"][0]["name"] = "lynx"
    (tmp_path / "annotations/val.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"'cat', 'lynx'"):
        read_splits(tmp_path)


def test_a_second_format_is_reported(tmp_path):
    lay_out(tmp_path, "annotations/train.json", "images")
    (tmp_path / "data.yaml").write_text("names: [a]\ntrain: images\n")
    dataset = read_dataset(tmp_path)
    assert dataset.report.counts == {ProblemKind.OTHER_FORMAT: 1}


@pytest.mark.parametrize("name", ["empty", "notes.txt", "strange.yaml", "strange.json"])
def test_what_is_no_dataset_is_refused_with_what_would_be(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "strange.yaml").write_text("a: 1")
    (tmp_path / "strange.json").write_text("{}")
    with pytest.raises(DataError, match=name):
        read_dataset(tmp_path / name)
    with pytest.raises(UsageError, match="nowhere: does not exist"):
        read_dataset(tmp_path / "nowhere")


def test_a_pipe_is_no_dataset(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(DataError, match="neither a file nor a folder"):
        layout_of(tmp_path / "pipe.json")


@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_a_description_names_parts_anywhere(tmp_path, kind):
    lay_out(tmp_path / "one", "labels/x.json", "deep/pictures")
    content = {
        "splits": {
            "training": {"annotations": "../one/labels/x.json", "images": "../one/deep/pictures"},
            "holiday": {"annotations": str(tmp_path / "one/labels/x.json"), "images": "../one/deep/pictures"},
        }
    }
    path = tmp_path / "two" / f"data.{kind}"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(content) if kind == "yaml" else json.dumps(content))
    splits = read_splits(path)
    assert {split: len(dataset) for split, dataset in splits.items()} == {"train": 3, "holiday": 3}


def test_a_description_of_yolo_and_voc(tmp_path):
    image(tmp_path / "y/a.jpg")
    (tmp_path / "y/a.txt").write_text("1 0.5 0.5 0.5 0.5\n")
    image(tmp_path / "v/pictures/b.jpg")
    (tmp_path / "v/labels").mkdir()
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    (tmp_path / "v/labels/b.xml").write_text(f"<annotation><object><name>cat</name>{box}</object></annotation>")
    splits = {"train": {"images": "y"}, "val": {"images": "v/pictures", "annotations": "v/labels"}}
    path = tmp_path / "data.yaml"
    path.write_text(yaml.safe_dump({"splits": splits, "names": ["dog", "cat"]}))
    assert [labeled.label for split in ("train", "val") for labeled in read_dataset(path, split)[0].objects] == [1, 1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"splits": {"train": {"images": "gone"}}}, ["splits.train", "gone", "not exist"]),
        ({"splits": {"train": {"pictures": "."}}}, ["splits.train", "images"]),
        ({"splits": {"train": "."}}, ["splits.train"]),
        ({"splits": {"train": {"images": "."}}}, ["splits.train", "names"]),
        ({"splits": {"train": {"images": "."}}, "names": "cat"}, ["names", "list"]),
    ],
)
def test_a_description_is_checked(tmp_path, content, words):
    path = tmp_path / "data.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(AnnotationError) as caught:
        read_dataset(path)
    for word in ["data.yaml", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("instances_train2017", "train"),
        ("Validation", "val"),
        ("valid", "val"),
        ("trainval", "trainval"),
        ("testing-3", "test"),
        ("latest", None),
        ("retrained", None),
        ("train_val", None),
    ],
)
def test_split_names(name, split):
    assert split_named(name) == split


def test_the_coco_sample_is_read(shared):
    dataset = read_dataset(shared / "data/coco-sample", masks=True)
    assert (len(dataset), len(dataset.classes)) == (3, 80)
    assert sum(len(example.objects) for example in dataset) == 46
    assert sum(len(example.crowds) for example in dataset) == 3
    assert not dataset.report
