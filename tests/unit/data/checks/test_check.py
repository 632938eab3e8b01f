import json
import shutil

import pytest

from condetr.core.errors import UsageError
from condetr.data.checks.check import check_splits, read_leniently
from condetr.data.checks.data_report import DataReport
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.formats import read_splits
from tests.unit.data.checking import check
from tests.unit.data.conftest import SIZES, good_content, image


@pytest.fixture
def pair(coco):
    """Training and validation with the same classes and other images, and how to change them."""

    def write(change_train=lambda content: None, change_val=lambda content: None):
        for split, change in (("train", change_train), ("val", change_val)):
            content = good_content()
            for record in content["images"]:
                record["file_name"] = f"{split}-{record['file_name']}"
            change(content)
            path = coco(content, name=f"{split}.json")
            for seed, (name, size) in enumerate(SIZES.items()):
                image(path.parent.parent / f"images/{split}-{name}", size, seed + (100 if split == "val" else 0))
        return path.parent.parent

    return write


def use_all_classes(content):
    content["annotations"][0]["category_id"] = 17
    content["annotations"][1]["category_id"] = 4


def counts_of(*arguments, **options):
    return dict(check(*arguments, tiny=1.0, **options)[1].counts)


def test_a_good_dataset_has_no_problem(pair):
    assert counts_of(pair(use_all_classes)) == {}


def test_everything_is_reported_in_one_pass(pair):
    def spoil(content):
        use_all_classes(content)
        content["annotations"][2]["bbox"] = [0, 0, 0, 5]
        content["annotations"][3]["category_id"] = 99
        content["images"].append({"id": 9, "file_name": "gone.jpg"})

    def break_off(content):
        content["annotations"] = {}

    root = pair(spoil, break_off)
    assert counts_of(root) == {
        ProblemKind.BAD_FILE: 1,
        ProblemKind.UNKNOWN_CATEGORY: 1,
        ProblemKind.EMPTY_BOX: 1,
        ProblemKind.MISSING_PICTURE: 1,
        ProblemKind.UNUSED_CLASS: 1,  # the cats were all spoilt
    }


def test_images_that_are_damaged_behind_their_header(pair):
    root = pair(use_all_classes)
    path = root / "images/train-b.png"
    path.write_bytes(path.read_bytes()[:-2000])
    assert counts_of(root) == {ProblemKind.UNREADABLE_PICTURE: 1}


def test_the_same_image_in_two_splits_or_twice(pair):
    root = pair(use_all_classes)
    shutil.copy(root / "images/train-b.png", root / "images/val-b.png")
    assert counts_of(root) == {ProblemKind.LEAKAGE: 1}
    shutil.copy(root / "images/train-a.jpg", root / "images/train-c.jpg")
    _, report = check(root, tiny=1.0)
    assert report.counts == {ProblemKind.LEAKAGE: 1, ProblemKind.SAME_CONTENT: 1, ProblemKind.WRONG_SIZE: 1}


def test_two_entries_for_one_file(pair):
    def repeat(content):
        use_all_classes(content)
        content["images"].append(dict(content["images"][0], id=77))

    assert counts_of(pair(repeat)) == {ProblemKind.SAME_CONTENT: 1}


def test_objects_that_are_tiny_many_or_repeated(pair):
    def crowd_together(content):
        use_all_classes(content)
        content["annotations"] += [dict(content["annotations"][0], id=10 + i) for i in range(3)]

    root = pair(crowd_together)
    assert counts_of(root, queries=4) == {ProblemKind.REPEATED_OBJECT: 1, ProblemKind.TOO_MANY_OBJECTS: 1}
    _, report = check(root, tiny=4.0)
    assert report.counts[ProblemKind.TINY_OBJECT] == 2
    assert "3.25 x 4.75" in str(report)


def test_classes_that_are_never_trained_on_or_have_no_object(pair):
    def only_cats(content):
        for annotation in content["annotations"]:
            annotation["category_id"] = 9

    root = pair(only_cats, use_all_classes)
    assert counts_of(root) == {ProblemKind.NOT_IN_TRAINING: 2}
    root = pair(only_cats, only_cats)
    assert counts_of(root) == {ProblemKind.UNUSED_CLASS: 2}


def test_names_that_differ_in_case_only(pair):
    def shout(content):
        use_all_classes(content)
        content["images"].append({"id": 50, "file_name": "TRAIN-A.jpg"})

    root = pair(shout)
    if (root / "images/TRAIN-A.jpg").exists():
        pytest.skip("this disk does not tell them apart")
    image(root / "images/TRAIN-A.jpg", seed=1234)
    assert counts_of(root) == {ProblemKind.SAME_NAME_BUT_CASE: 1}


def test_classes_of_splits_must_agree(pair):
    def rename(content):
        content["categories"][0]["name"] = "lynx"

    assert ProblemKind.DIFFERENT_CLASSES in counts_of(pair(use_all_classes, rename))


def test_progress_counts_images(pair):
    steps = []
    check_splits(*read_leniently(pair()), step=lambda: steps.append(1))
    assert len(steps) == 6


def test_a_missing_path_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        check(tmp_path / "nowhere")


def test_the_report_is_json(pair):
    def scatter(content):
        for i in range(30):
            content["annotations"].append(dict(content["annotations"][0], id=100 + i, bbox=[i, 0, 0, 0]))

    report = check(pair(scatter))[1]
    stored = json.loads(json.dumps(report.to_dict()))["empty_box"]
    assert (stored["outcome"], stored["count"], len(stored["first"])) == ("left out", 30, 20)
    assert "... and 10 more" in str(report)


def test_bccd_trainval_is_no_leak(shared):
    splits, report = check(shared / "data/bccd")
    assert list(splits) == ["train", "val", "test"]
    assert report.counts == {ProblemKind.EMPTY_BOX: 2}


def test_a_message_names_its_file_once(tmp_path):
    report = DataReport()
    for message in (f"{tmp_path}/a.jpg does not exist", "a.jpg does not exist", "does not exist"):
        report.add(ProblemKind.MISSING_PICTURE, message, source=tmp_path / "a.jpg")
    assert {str(finding) for finding in report} == {f"{tmp_path}/a.jpg: does not exist"}
    report = DataReport()
    report.add(
        ProblemKind.MISSING_PICTURE, f"{tmp_path}/a.jpg does not exist", source=tmp_path / "b.json", item="image 3"
    )
    assert str(next(iter(report))) == f"{tmp_path}/b.json: image 3: {tmp_path}/a.jpg does not exist"


def test_a_missing_yolo_image_is_named_once(tmp_path):
    (tmp_path / "data.yaml").write_text("train: train.txt\nnames: [cat]\n")
    (tmp_path / "train.txt").write_text("./images/gone.jpg\n")
    _, report = check(tmp_path)
    assert all(str(finding).count("gone.jpg") == 1 for finding in report.of(ProblemKind.MISSING_PICTURE))
    assert report.counts[ProblemKind.MISSING_PICTURE] == 1


def test_what_concerns_the_whole_dataset_is_counted_once(tmp_path):
    """However many splits it has, and whoever reads them."""
    for split in ("train", "val", "test"):
        image(tmp_path / f"images/{split}/{split}.png")
        (tmp_path / f"labels/{split}").mkdir(parents=True)
        (tmp_path / f"labels/{split}/{split}.txt").write_text("0 .5 .5 .2 .2\n")
    keys = "".join(f"{split}: images/{split}\n" for split in ("train", "val", "test"))
    (tmp_path / "data.yaml").write_text(f"path: /of/another/machine\n{keys}names: [cat]\n")
    assert check(tmp_path)[1].counts[ProblemKind.CONVERTED_NAME] == 1
    assert sum(item.report.counts[ProblemKind.CONVERTED_NAME] for item in read_splits(tmp_path).values()) == 1
