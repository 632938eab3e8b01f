import json

import numpy as np
import pytest
from PIL import Image

from condetr.data.discovery.formats import read_dataset, read_splits


@pytest.fixture
def yolo(tmp_path):
    """Twelve images of three cameras in two splits, each with a cat and a dog."""
    root = tmp_path / "set"
    for number in range(12):
        split, name = ("train" if number < 8 else "val"), f"cam{number % 3}_{number}"
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"images/{split}/{name}.png")
        (root / f"labels/{split}/{name}.txt").write_text("0 0.3 0.3 0.2 0.2\n1 0.6 0.6 0.3 0.3\n")
    (root / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [cat, dog]\n")
    return root


def test_split_all_divides_everything_anew(condetr_json, yolo, tmp_path):
    words = ("data", "split", yolo, "out", "--all", "--shares", "train=0.5,val=0.5", "--to", "yolo", "--link")
    status, answer, _ = condetr_json(*words)
    assert status == 0
    assert {name: size["pictures"] for name, size in answer["splits"].items()} == {"train": 6, "val": 6}
    new = read_splits(tmp_path / "out")
    names = {example.path.name for dataset in new.values() for example in dataset}
    assert names == {f"cam{number % 3}_{number}.png" for number in range(12)}
    for example in new["val"]:
        (old,) = yolo.rglob(example.path.name)
        assert old.samefile(example.path), "a link"


def test_split_keeps_groups_together(condetr, yolo, tmp_path):
    words = ("data", "split", yolo, "out", "--all", "--group", r"cam(\d)", "--shares", "train=0.6,val=0.4")
    assert condetr(*words)[0] == 0
    cameras = [{example.path.name[:4] for example in dataset} for dataset in read_splits(tmp_path / "out").values()]
    assert cameras[0].isdisjoint(cameras[1])
    assert cameras[0] | cameras[1] == {"cam0", "cam1", "cam2"}
    assert condetr("data", "split", yolo, "o", "--all", "--split", "val")[0] == 2


def test_rename_and_drop(condetr, condetr_json, yolo, tmp_path):
    status, answer, _ = condetr_json("data", "rename", yolo, "renamed", "cat=animal", "dog=big dog")
    assert (status, answer["format"]) == (0, "yolo")
    assert read_dataset(tmp_path / "renamed", "val").classes.names == ("animal", "big dog")
    status, _, err = condetr("data", "drop", tmp_path / "renamed", "dropped", "animal", "--to", "coco")
    assert status == 0
    assert "12 objects are left out" in err
    left = read_splits(tmp_path / "dropped")
    assert left["train"].classes.names == ("big dog",)
    assert [len(example.objects) for example in left["train"]] == [1] * 8
    for words in (("rename", yolo, "o", "cat"), ("rename", yolo, "o", "cow=x"), ("drop", yolo, "o", "cow")):
        assert condetr("data", *words)[0] == 2
    assert not (tmp_path / "o").exists()


def test_merge(condetr, yolo, tmp_path):
    assert condetr("data", "rename", yolo, "other", "cat=bird")[0] == 0
    assert condetr("data", "merge", yolo, "other", "both")[0] == 0
    both = read_splits(tmp_path / "both")
    assert both["train"].classes.names == ("cat", "dog", "bird")
    assert [len(dataset) for dataset in both.values()] == [16, 8]


def test_dedupe(condetr, yolo, tmp_path):
    with Image.open(yolo / "images/val/cam0_9.png") as image:
        image.save(yolo / "images/train/cam0_0.png", compress_level=1)
    status, _, err = condetr("data", "dedupe", yolo, "out")
    assert status == 0
    assert "1 images are left out" in err
    assert "nearly the same as another" in err
    assert [len(dataset) for dataset in read_splits(tmp_path / "out").values()] == [7, 4]


def test_labels_only(condetr, yolo, tmp_path):
    assert condetr("data", "convert", yolo, "out", "--labels-only")[0] == 0
    assert {path.suffix for path in (tmp_path / "out").rglob("*") if path.is_file()} <= {".json", ".yaml"}
    content = json.loads((tmp_path / "out/annotations/instances_val.json").read_text())
    assert len(content["annotations"]) == 8
    back = read_splits(tmp_path / "out/dataset.yaml")
    original = read_splits(yolo)
    for split, dataset in original.items():
        assert [example.path for example in back[split]] == [example.path for example in dataset]
    assert condetr("data", "convert", yolo, "o", "--labels-only", "--link")[0] == 2


def test_check_names_format_classes_and_each_split(condetr, yolo):
    status, out, _ = condetr("data", "check", yolo)
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "format   YOLO"
    assert lines[1].startswith("classes  2: cat 12, dog 12")
    assert [line.split()[0] for line in lines[2:4]] == ["train", "val"]
    assert all(line.endswith("usable") for line in lines[2:4])
