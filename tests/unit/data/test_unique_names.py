from pathlib import Path

import pytest

from condetr.data.checks.data_report import DataReport
from condetr.data.checks.problems import ProblemKind
from condetr.data.classes import Classes
from condetr.data.convert import convert, remarks
from condetr.data.discovery.formats import read_splits
from condetr.data.records import Dataset, Example, Object
from condetr.data.unique_names import flat_names, names_in_folders, numbered_apart
from tests.unit.data.conftest import image

HOSTILE = [
    "plain.png", "two words.png", "line\nbreak.png", "tab\t.png", "back\\slash.png", "#comment.png", ".hidden.png",
    "._mac.png", "dots...png", "no ending", "odd.data", "CON.png", "émoji🦉.png", "\u202egnp.png", "a%20b.png",
    "data:x.png", "UP.PNG", "up.png", "Up.jpg", "names/x.png", "other/x.png", "images/y.png", "labels/y.png",
    "\x01\x7f.png", "l\u2028s.png", "L" * 250 + ".png", "M" * 250 + ".png", "e\u0301.png", "\u00e9.png", "*?<>|\".png",
    "a b.png", "a_b.png", "classes.png", "\udcff.png", " .png", "- x.png", "1 0.5 0.5 1 1.png",
]  # fmt: skip


def dataset_of(root: Path, names) -> Dataset:
    examples = []
    for seed, name in enumerate(names):
        made = image(root / "made.png", (32, 24), seed)
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        made.rename(path)
        box = (1.0, 2.0, 3.0 + seed % 20, 9.0)
        examples.append(Example(path, (24, 32), seed + 1, (Object(seed % 2, box, 7.0),)))
    return Dataset(tuple(examples), Classes.named(["cat", "dog"]), root, "train")


@pytest.mark.parametrize("to", ["coco", "yolo", "voc"])
def test_images_of_any_name_come_back(tmp_path, to):
    original = dataset_of(tmp_path / "given", HOSTILE)
    report = convert({"train": original}, tmp_path / "out", to)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["given", "out"], "nothing beside"
    (back,) = read_splits(tmp_path / "out").values()
    images = {example.path.read_bytes(): example for example in back}
    assert len(images) == len(HOSTILE)
    for item in original:
        same = images[item.path.read_bytes()]
        assert [back.classes.names[it.label] for it in same.objects] == [original.classes.names[item.objects[0].label]]
        assert same.objects[0].box == pytest.approx(item.objects[0].box, abs=1e-6)
    kept = {example.path.name for example in back} & {example.path.name for example in original}
    assert {"plain.png", "CON.png", "émoji🦉.png", "\u202egnp.png", "a%20b.png", "classes.png"} <= kept
    assert report.counts[ProblemKind.NAME_CHANGED] == sum(
        back.name_of(images[each.path.read_bytes()]) != original.name_of(each)
        if to == "coco"
        else images[each.path.read_bytes()].path.name != each.path.name
        for each in original
    )


def test_an_image_listed_twice_keeps_both_lists_of_objects(tmp_path):
    """As in two entries of a COCO file for one image: a label file each, and no label file twice."""
    original = dataset_of(tmp_path / "given", ["a.png"])
    other = Example(original[0].path, (24, 32), 2, (Object(1, (5.0, 5.0, 9.0, 9.0), 16.0),))
    twice = Dataset((original[0], other), original.classes, original.root, "train")
    for to in ("coco", "yolo", "voc"):
        convert({"train": twice}, tmp_path / to, to)
        (back,) = read_splits(tmp_path / to).values()
        assert sorted(labeled.label for example in back for labeled in example.objects) == [0, 1]


def test_splits_of_voc_share_an_image_with_the_same_objects_only(tmp_path):
    original = dataset_of(tmp_path / "given", ["a.png", "b.png"])
    changed = Example(original[1].path, (24, 32), 2, ())
    splits = {"train": original, "val": Dataset((original[0], changed), original.classes, original.root, "val")}
    convert(splits, tmp_path / "out", "voc")
    assert sorted(path.name for path in (tmp_path / "out/JPEGImages").iterdir()) == ["a.png", "b-2.png", "b.png"]
    back = read_splits(tmp_path / "out")
    assert [[len(example.objects) for example in item] for item in back.values()] == [[1, 1], [1, 0]]


def test_names_that_lead_out_are_brought_in(tmp_path):
    original = dataset_of(tmp_path / "root/deep", ["../../one/x.png", "../../two/x.png", "x.png"])
    report = DataReport()
    assert names_in_folders(original, report) == ["one/x.png", "two/x.png", "x.png"]
    assert report.counts == {ProblemKind.NAME_CHANGED: 2}
    assert flat_names([original], DataReport()) == [["one_x.png", "two_x.png", "x.png"]]
    convert({"train": original}, tmp_path / "out", "coco")
    assert len(read_splits(tmp_path / "out")["train"]) == 3


def test_twenty_thousand_images_of_one_name_are_numbered_at_once():
    assert numbered_apart(["a/x.png"] * 20_000)[-1] == "a/x-20000.png"
    root = Path("/pictures")
    examples = tuple(Example(root / "x.png", (1, 1), number) for number in range(20_000))
    (names,) = flat_names([Dataset(examples, Classes.named(["cat"]), root)], DataReport())
    assert (names[0], names[-1]) == ("x.png", "x-20000.png")


@pytest.mark.parametrize("names", [["a\x01b", " dog ", "dog", "\n", "x&y<z>"]])
def test_class_names_that_xml_cannot_hold(tmp_path, names):
    original = dataset_of(tmp_path / "given", ["a.png"])
    objects = tuple(Object(label, (0.0, 0.0, 5.0 + label, 5.0), 25.0) for label in range(5))
    dataset = Dataset(
        (Example(original[0].path, (24, 32), 1, objects),), Classes.named([*names, "rare"]), original.root
    )
    convert({"train": dataset}, tmp_path / "out", "voc")
    back = read_splits(tmp_path / "out")["train"]
    assert sorted(back.classes.names[labeled.label] for labeled in back[0].objects) == [
        "_",
        "a b",
        "dog",
        "dog",
        "x&y<z>",
    ]
    messages = list(remarks({"train": dataset}, "voc"))
    assert [
        "1 without objects are lost: ['rare']" in messages[0],
        "3 class names" in messages[1],
        "['dog']" in messages[2],
    ] == [
        True,
        True,
        True,
    ]
