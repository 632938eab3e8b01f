"""`data check`, training and evaluation agree on what can be used, since all of them ask the same function."""

import json

import pytest

from condetr.core.errors import DataError
from condetr.data.checks.problems import Outcome, ProblemKind
from condetr.data.discovery.formats import layout_of, read_dataset
from condetr.data.train_val import train_val_of
from condetr.evaluation.evaluate import held_out
from tests.unit.data.checking import check
from tests.unit.data.layouts import LAYOUTS, coco, voc_beside, write, yolo, yolo_roboflow


def change(root, split, how):
    path = root / f"annotations/instances_{split}2017.json"
    content = json.loads(path.read_text())
    how(content)
    path.write_text(json.dumps(content))


def all_crowds(content):
    for annotation in content["annotations"]:
        annotation["iscrowd"] = 1


def fractions(content):
    for annotation in content["annotations"]:
        annotation["bbox"] = [0.1, 0.2, 0.3, 0.25]


def all_missing(content):
    for image in content["images"]:
        image["file_name"] = f"deeper/no-{image['file_name']}"


def no_annotations(content):
    content["annotations"] = []


def all_outside(content):
    for annotation in content["annotations"]:
        annotation["bbox"] = [500, 500, 10, 10]


@pytest.mark.parametrize("how", [all_crowds, fractions, all_missing, no_annotations, all_outside])
@pytest.mark.parametrize("split", ["train", "val"])
def test_nothing_to_train_or_evaluate_on_is_refused_by_all(tmp_path, split, how):
    root = coco(tmp_path)
    change(root, split, how)
    _, report = check(root)
    assert report.count_of(Outcome.REFUSED) == (
        2 if how is fractions and not report.counts[ProblemKind.FRACTIONS] else 1
    )
    with pytest.raises(DataError) as caught:
        train_val_of(root)
    first = next(item for item in report if item.kind.outcome is Outcome.REFUSED)
    assert first.message in str(caught.value)
    if split == "val":
        with pytest.raises(DataError):
            held_out(root)
    words = {all_crowds: "crowds", fractions: "fractions", all_missing: "deeper/", all_outside: "outside"}
    assert words.get(how, "has an object") in str(caught.value)


def test_a_requested_split_is_checked_instead(tmp_path):
    root = coco(tmp_path)
    change(root, "train", no_annotations)
    assert train_val_of(root, split="val").train.split == "val"
    change(root, "val", no_annotations)
    with pytest.raises(DataError, match="no image of val has an object"):
        train_val_of(root, split="val", validation="none")


def test_a_test_split_needs_no_objects_for_training(tmp_path):
    root = coco(tmp_path)
    content = json.loads((root / "annotations/instances_val2017.json").read_text())
    content["annotations"] = []
    write(root / "annotations/instances_test2017.json", json.dumps(content))
    assert len(train_val_of(root).train) == 2
    assert not check(root)[1].count_of(Outcome.REFUSED)


def test_a_few_boxes_of_a_pixel_are_no_fractions(tmp_path):
    root = coco(tmp_path)
    change(root, "train", lambda content: content["annotations"][0].update(bbox=[0, 0, 1, 1]))
    assert len(train_val_of(root).train) == 2


def test_fractions_in_another_format(tmp_path):
    root = voc_beside(tmp_path)
    for path in root.glob("train/*.xml"):
        path.write_text(path.read_text().replace(">10<", ">0.25<").replace(">30<", ">0.75<").replace(">5<", ">0.25<"))
        path.write_text(path.read_text().replace(">15<", ">0.75<"))
    with pytest.raises(DataError, match="2 of 2 boxes lie within 0 and 1"):
        read_dataset(root, "train")


def test_without_any_labels_the_error_names_the_searched_paths(tmp_path):
    root = yolo(tmp_path)
    for path in root.glob("labels/train/*"):
        path.unlink()
    with pytest.raises(DataError, match=r"no image of train has an object.*looked for .*labels/train/t0\.txt"):
        train_val_of(root)
    assert check(root)[1].counts[ProblemKind.NOTHING_TO_LEARN] == 1


def test_a_split_that_is_named_but_missing(tmp_path):
    root = yolo_roboflow(tmp_path)
    layout = layout_of(root)
    assert layout.names == ["train", "val"]
    assert layout.report.counts[ProblemKind.MISSING_SPLIT] == 1
    assert len(train_val_of(root).train) == 2
    with pytest.raises(DataError, match=r"no split 'test'; there are train, val; test is skipped: .*test/images"):
        read_dataset(root, "test")


def test_no_other_split_replaces_a_missing_split_to_train_on(tmp_path):
    root = yolo(tmp_path, {"train": "images/gone"})
    assert len(read_dataset(root, "val")) == 2
    with pytest.raises(DataError, match=r"gone: does not exist"):
        train_val_of(root)
    assert check(root)[1].counts[ProblemKind.BAD_FILE] == 1


def test_no_split_to_train_on(tmp_path):
    root = coco(tmp_path)
    (root / "annotations/instances_train2017.json").rename(root / "annotations/instances_test2017.json")
    with pytest.raises(DataError, match="there is no split to train on; there are val, test"):
        train_val_of(root)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
def test_what_is_usable_can_be_trained_on(tmp_path, layout):
    root = layout(tmp_path)
    panoptic = layout.__name__ == "coco_panoptic"
    _, report = check(root, panoptic=panoptic)
    if report.count_of(Outcome.REFUSED):
        pytest.fail(str(report))
    if not panoptic:  # it has val only
        assert train_val_of(root).train
