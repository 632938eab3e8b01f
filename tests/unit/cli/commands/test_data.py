import json

import pytest
from PIL import Image

from condetr.data.discovery.formats import read_splits


@pytest.fixture
def digits(condetr, tmp_path):
    assert condetr("data", "demo", "digits", "--train", "8", "--val", "4", "--seed", "3")[0] == 0
    return tmp_path / "digits"


def test_demo_says_what_it_made(condetr_json, tmp_path):
    status, answer, _ = condetr_json("data", "demo", "digits", "--train", "5", "--val", "2", "--side", "64")
    assert status == 0
    assert {name: item["pictures"] for name, item in answer["splits"].items()} == {"train": 5, "val": 2}
    assert read_splits(tmp_path / "digits")["train"][0].size == (64, 64)


def test_a_good_data_set_is_usable(condetr, digits):
    status, out, _ = condetr("data", "check", digits, "--tiny", "1")
    assert status == 0
    assert "train          8 images" in out
    assert out.endswith("usable\n")


def test_every_problem_is_reported_and_decides_the_exit_status(condetr, condetr_json, digits):
    (digits / "val/000000.jpg").write_bytes(b"<html>")
    status, answer, _ = condetr_json("data", "check", digits)
    assert (status, answer["usable"]) == (0, True)
    assert answer["problems"]["unreadable_picture"]["count"] == 1
    path = digits / "annotations/instances_train.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["category_id"] = 99
    path.write_text(json.dumps(content))
    status, out, _ = condetr("data", "check", digits)
    assert status == 3
    assert "category_id 99 is not in categories" in out
    assert "1 problems must be mended" in out


def test_check_says_what_is_there_before_what_is_wrong(condetr, condetr_json, digits):
    for split, count in (("train", 30), ("val", 2)):
        path = digits / f"annotations/instances_{split}.json"
        content = json.loads(path.read_text())
        box = {"image_id": 1, "category_id": 3, "bbox": [5, 5, 0, 0], "area": 0, "iscrowd": 0}
        content["annotations"] += [box | {"id": 1000 + number} for number in range(count)]
        content["annotations"] = [
            annotation for annotation in content["annotations"] if annotation["image_id"] != 2 or split == "val"
        ]
        path.write_text(json.dumps(content))
    status, out, _ = condetr("data", "check", digits, "--tiny", "1")
    kind, classes, train, val, *problems = out.splitlines()
    assert (status, kind) == (0, "format   COCO")
    assert classes.startswith("classes  10: ")
    assert train.endswith("1 images without  usable")
    assert val.endswith(" objects  usable")
    assert problems[0] == "32 x a box without area (left out)"
    assert problems[4] == "    ... and 29 more; -v shows more"
    assert out.count("\n    ") == 4
    _, out, _ = condetr("data", "check", digits, "--tiny", "1", "-v")
    assert out.count("has no area") == 20
    _, answer, _ = condetr_json("data", "check", digits, "--tiny", "1")
    assert set(answer) == {"format", "classes", "splits", "usable", "problems"}
    assert answer["format"] == "coco"
    assert sum(answer["classes"].values()) == sum(item["objects"] for item in answer["splits"].values())
    assert set(answer["splits"]["train"]) == {"pictures", "objects", "without_objects", "usable"}
    assert (answer["splits"]["train"]["without_objects"], len(answer["classes"])) == (1, 10)


def test_each_split_has_its_verdict(condetr, condetr_json, digits):
    path = digits / "annotations/instances_val.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["category_id"] = 99
    path.write_text(json.dumps(content))
    _, out, _ = condetr("data", "check", digits)
    _, _, train, val, *_ = out.splitlines()
    assert (train.endswith("  usable"), val.endswith("  1 problems to mend")) == (True, True)
    _, answer, _ = condetr_json("data", "check", digits)
    assert [split["usable"] for split in answer["splits"].values()] == [True, False]
    path.write_text(json.dumps(content | {"annotations": []}))
    _, out, _ = condetr("data", "check", digits)
    assert "\nval            4 images        0 objects, 4 images without  1 problems to mend\n" in out
    path.write_text(json.dumps(content | {"annotations": {}}))
    status, out, _ = condetr("data", "check", digits)
    assert status == 3
    assert "\nval      cannot be read\n" in out


def test_stats_count_and_draw(condetr, condetr_json, digits, tmp_path):
    _, answer, _ = condetr_json("data", "stats", digits)
    assert answer["train"]["pictures"] == 8
    status, out, _ = condetr("data", "stats", digits, "--output", "charts.png")
    assert status == 0
    assert "percentiles" in out
    with Image.open(tmp_path / "charts.png") as charts:
        colors = charts.getcolors(1 << 16)
    assert {(30, 80, 200), (200, 110, 0)} <= {color for _, color in colors}


@pytest.mark.parametrize("to", ["coco", "yolo", "voc"])
def test_convert(condetr, digits, tmp_path, to):
    status, out, _ = condetr("data", "convert", digits, "out", "--to", to)
    assert status == 0
    assert out.startswith("out\n")
    original, back = read_splits(digits), read_splits(tmp_path / "out")
    assert {name: len(part) for name, part in back.items()} == {"train": 8, "val": 4}
    assert [len(example.objects) for example in back["train"]] == [
        len(example.objects) for example in original["train"]
    ]


@pytest.mark.slow
def test_convert_leaves_unions_out_and_tells_losses(condetr, shared, tmp_path):
    status, out, err = condetr("data", "convert", shared / "data/bccd", "out", "--to", "voc")
    assert status == 0
    assert "trainval is made of the other splits" in err
    assert "1 x a box without area (left out)" in err
    assert "trainval" not in out


def test_an_output_that_is_there_is_left_alone(condetr, digits):
    status, _, err = condetr("data", "convert", digits, digits)
    assert status == 2
    assert "not an empty folder" in err


def test_show_draws_a_grid(condetr_json, digits, tmp_path):
    status, answer, _ = condetr_json(
        "data", "show", digits, "--split", "val", "--count", "3", "--columns", "2", "--output", "grid.png"
    )
    assert status == 0
    assert answer["pictures"] == ["000000.jpg", "000002.jpg", "000003.jpg"]
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.width == 2 * 320 + 3 * 6


def test_show_takes_all_splits(condetr, condetr_json, digits):
    status, answer, _ = condetr_json("data", "show", digits, "--split", "all", "--count", "12", "--output", "grid.png")
    assert status == 0
    names = [f"train/{number:06}.jpg" for number in range(8)] + [f"val/{number:06}.jpg" for number in range(4)]
    assert answer["pictures"] == names
    status, _, err = condetr("data", "show", digits)
    assert status == 3
    assert "which split is meant? there are train, val (--split names one, or all for all of them)" in err


@pytest.mark.parametrize("to", ["coco", "yolo", "voc"])
def test_split_divides_all_splits_anew(condetr, condetr_json, digits, tmp_path, to):
    words = ("--split", "all", "--shares", "train=2,val=1,test=1", "--to", to)
    assert condetr("data", "split", digits, "parts", *words)[0] == 0
    original, parts = read_splits(digits), read_splits(tmp_path / "parts")
    assert {name: len(part) for name, part in parts.items()} == {"train": 6, "val": 3, "test": 3}
    for splits in (original, parts):
        images = {example.path.read_bytes() for split in splits.values() for example in split}
        assert len(images) == 12
    _, answer, _ = condetr_json("data", "check", tmp_path / "parts", "--tiny", "1")
    assert not {"leakage", "same_content"} & set(answer["problems"])
    status, _, err = condetr("data", "split", digits, "more")
    assert (status, "all for all of them" in err) == (3, True)


def test_a_report_is_reported_once_however_many_parts(condetr, digits):
    path = digits / "annotations/instances_train.json"
    content = json.loads(path.read_text())
    content["annotations"].append(dict(content["annotations"][0], id=1000, bbox=[5, 5, 0, 0]))
    path.write_text(json.dumps(content))
    for command in (("split", digits, "parts", "--split", "train"), ("convert", digits, "out"), ("stats", digits)):
        _, _, err = condetr("data", *command)
        assert err.count("1 x a box without area") == 1
        assert "has no area" not in err
        _, _, err = condetr(
            "data", *command[:2], *(f"{word}-v" if word in ("parts", "out") else word for word in command[2:]), "-v"
        )
        assert err.count("has no area") == 1
        assert err.count("warning") == 1


@pytest.mark.parametrize(
    "shares", ["train=1,train=2", "train=nan", "train=inf,val=1", "train=0,val=1", "train=-1", "a=b=c"]
)
def test_shares_that_are_none(condetr, digits, tmp_path, shares):
    status, _, err = condetr("data", "split", digits, "parts", "--split", "train", "--shares", shares)
    assert status == 2
    assert "shares" in err
    assert not (tmp_path / "parts").exists()


def test_split_names_cannot_lead_elsewhere(condetr, digits, tmp_path):
    status, _, err = condetr("data", "split", digits, "parts", "--split", "train", "--shares", "../up=1,val=1")
    assert status == 2
    assert "'../up' cannot name files" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["digits"]


def test_convert_says_what_concerns_the_whole(condetr, digits, tmp_path):
    assert condetr("data", "split", digits, "parts", "--split", "train", "--shares", "train=1")[0] == 0
    _, _, err = condetr("data", "convert", tmp_path / "parts", "out", "--to", "yolo")
    assert "YOLO requires val: data.yaml names the images of train" in err
    assert "--masks also keeps segmentations" in err


def test_split_divides_by_shares(condetr, digits, tmp_path):
    words = ("--split", "train", "--shares", "train=3,val=1", "--to", "voc")
    status, _, _ = condetr("data", "split", digits, "parts", *words)
    assert status == 0
    assert {name: len(part) for name, part in read_splits(tmp_path / "parts").items()} == {"train": 6, "val": 2}
    status, _, err = condetr("data", "split", digits, "more", "--split", "train", "--shares", "half")
    assert status == 2
    assert "train=0.8,val=0.2" in err


def test_a_path_to_nothing_is_a_slip(condetr):
    status, _, err = condetr("data", "check", "nowhere")
    assert status == 2
    assert "nowhere: does not exist" in err


@pytest.mark.parametrize("task", ["instance", "panoptic"])
def test_masks_and_segments(condetr, condetr_json, tmp_path, task):
    assert condetr("data", "demo", "scenes", "--train", "4", "--val", "2", "--task", task)[0] == 0
    for command in (("check",), ("stats",), ("show", "--split", "val", "--output", "grid.png")):
        status, _, err = condetr("data", command[0], "scenes", "--task", task, *command[1:])
        assert (status, "") == (0, err) or command[0] == "check"
    with Image.open(tmp_path / "grid.png") as masks:
        assert masks.size[0] > 300
    for to in ("coco", "coco-panoptic"):
        assert condetr("data", "convert", "scenes", f"as-{to}", "--to", to, "--task", task)[0] == 0
        back = read_splits(tmp_path / f"as-{to}", masks=True, panoptic=to == "coco-panoptic")
        original = read_splits(tmp_path / "scenes", masks=True, panoptic=task == "panoptic")
        assert [labeled.label for labeled in back["train"][0].objects] == [
            labeled.label for labeled in original["train"][0].objects
        ]
        assert back["val"].classes == original["val"].classes
    words = ("--split", "train", "--shares", "train=3,val=1", "--task", task, "--to", "coco-panoptic")
    assert condetr("data", "split", "scenes", "parts", *words)[0] == 0
    parts = read_splits(tmp_path / "parts", masks=True, panoptic=True)
    assert {name: len(part) for name, part in parts.items()} == {"train": 3, "val": 1}
    status, answer, _ = condetr_json("data", "stats", "scenes", "--task", task)
    assert ("paper" in answer["train"]["objects"]) == (task == "panoptic")


def test_boxes_are_no_panoptic_data(condetr, digits):
    status, _, err = condetr("data", "check", digits, "--task", "panoptic")
    assert status == 3
    assert "not panoptic" in err


def test_no_scenes_are_no_data_set(condetr, tmp_path):
    status, _, err = condetr("data", "demo", "scenes", "--train", "0", "--val", "0")
    assert (status, "no scenes to generate" in err, list(tmp_path.iterdir())) == (2, True, [])
