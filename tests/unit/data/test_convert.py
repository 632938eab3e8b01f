import json

import pytest
import yaml

from condetr.core.errors import UsageError
from condetr.data.checks.problems import ProblemKind
from condetr.data.convert import convert
from condetr.data.discovery.formats import read_dataset, read_splits
from tests.unit.data.conftest import SIZES, good_content, image


def boxes_of(dataset):
    return [[(dataset.classes.names[labeled.label], labeled.box) for labeled in example.objects] for example in dataset]


def close(one, other):
    return [[(name, pytest.approx(box, abs=1e-9)) for name, box in boxes] for boxes in one] == other


@pytest.mark.parametrize("to", ["coco", "yolo", "voc"])
def test_there_and_back(coco, tmp_path, to):
    original = read_dataset(coco())
    convert({"train": original}, tmp_path / f"to-{to}", to)
    back = read_dataset(tmp_path / f"to-{to}")
    assert back.split == "train"
    assert close(boxes_of(back), boxes_of(original))
    assert [item.size for item in back] == [item.size for item in original]
    assert not back.report
    for one, other in zip(original, back, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()


def test_coco_keeps_ids_crowds_areas_and_outlines(coco, tmp_path):
    content = good_content()
    for annotation in content["annotations"]:
        annotation["segmentation"] = [[5, 5, 25, 5, 25, 25]]
        annotation["area"] = 123.5
    original = read_dataset(coco(content), masks=True)
    assert not convert({"train": original}, tmp_path / "out", "coco")
    back = read_dataset(tmp_path / "out", masks=True)
    assert back.classes == original.classes
    assert back.fingerprint() == original.fingerprint()
    assert [example.crowds for example in back] == [example.crowds for example in original]
    assert back[0].objects[0].segmentation == [[5, 5, 25, 5, 25, 25]]


@pytest.mark.parametrize("to", ["yolo", "voc"])
def test_what_a_format_cannot_hold_is_reported(coco, tmp_path, to):
    content = good_content()
    for annotation in content["annotations"]:
        annotation["segmentation"] = [[5, 5, 25, 5, 25, 25], [30, 30, 40, 30, 40, 40]]
    report = convert({"train": read_dataset(coco(content), masks=True)}, tmp_path / "out", to)
    assert report.counts == {ProblemKind.CROWD_LOST: 1, ProblemKind.SEGMENTATION_LOST: 4}


def test_yolo_holds_outlines_of_one_polygon(coco, tmp_path):
    content = good_content()
    for annotation in content["annotations"]:
        annotation["segmentation"] = [[5, 5, 25, 5, 25, 25.5]]
    original = read_dataset(coco(content), masks=True)
    report = convert({"train": original}, tmp_path / "out", "yolo")
    assert report.counts == {ProblemKind.CROWD_LOST: 1}
    back = read_dataset(tmp_path / "out", masks=True)
    assert [len(example.objects) for example in back] == [len(example.objects) for example in original]
    assert back[0].objects[0].segmentation == [pytest.approx([5, 5, 25, 5, 25, 25.5])]


def named(coco, tmp_path, **names):
    """The three images under other names."""
    content = good_content()
    for item, name in zip(content["images"], names.values(), strict=True):
        item["file_name"] = name
    path = coco(content)
    for seed, (name, size) in enumerate(zip(names.values(), SIZES.values(), strict=True)):
        image(path.parent.parent / "images" / name, size, seed + 50)
    return read_dataset(path)


def names_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("to", ["yolo", "voc"])
def test_names_are_kept_where_no_other_image_has_them(coco, tmp_path, to):
    original = named(coco, tmp_path, one="deep/a.b.jpg", two="deep/down/Б.png", three="c.JPG")
    report = convert({"train": original}, tmp_path / "out", to)
    assert not report.counts[ProblemKind.NAME_CHANGED]
    images = tmp_path / ("out/images/train" if to == "yolo" else "out/JPEGImages")
    assert names_in(images) == ["a.b.jpg", "c.JPG", "Б.png"]
    assert len(read_dataset(tmp_path / "out")) == 3


@pytest.mark.parametrize("to", ["yolo", "voc"])
def test_names_that_would_collide_are_distinguished_by_their_folders(coco, tmp_path, to):
    original = named(coco, tmp_path, one="deep/x.jpg", two="down/X.png", three="down_x.jpg")
    report = convert({"train": original}, tmp_path / "out", to)
    assert report.counts[ProblemKind.NAME_CHANGED] == 2
    images = tmp_path / ("out/images/train" if to == "yolo" else "out/JPEGImages")
    assert names_in(images) == ["deep_x.jpg", "down_X-2.png", "down_x.jpg"]
    assert sorted(map(len, boxes_of(read_dataset(tmp_path / "out")))) == [0, 2, 2]


def test_text_ids_become_numbers_in_coco(tmp_path, coco):
    content = good_content()
    for item in content["images"]:
        item["id"] = f"p{item['id']}"
    for item in content["annotations"]:
        item["image_id"] = f"p{item['image_id']}"
    convert({"val": read_dataset(coco(content))}, tmp_path / "out", "coco")
    written = json.loads((tmp_path / "out/annotations/instances_val.json").read_text())
    assert [each["id"] for each in written["images"]] == [1, 2, 3]


def test_other_tools_read_the_yaml_and_json(coco, tmp_path):
    original = read_dataset(coco())
    convert({"train": original, "val": original}, tmp_path / "yolo", "yolo")
    content = yaml.safe_load((tmp_path / "yolo/data.yaml").read_text(encoding="utf-8"))
    assert content["names"] == {0: "dog", 1: "cat", 2: "ант"}
    coco_api = pytest.importorskip("pycocotools.coco")
    convert({"train": original}, tmp_path / "to-coco", "coco")
    theirs = coco_api.COCO(tmp_path / "to-coco/annotations/instances_train.json")
    assert (len(theirs.getImgIds()), len(theirs.getAnnIds()), theirs.getCatIds()) == (3, 5, [4, 9, 17])


def test_an_output_folder_must_be_new(coco, tmp_path):
    original = read_dataset(coco())
    (tmp_path / "out").mkdir()
    (tmp_path / "out/precious.txt").write_text("keep")
    with pytest.raises(UsageError, match="not an empty folder"):
        convert({"train": original}, tmp_path / "out", "voc")


@pytest.mark.parametrize("to", ["coco", "yolo", "voc"])
def test_bccd_there_and_back(shared, tmp_path, to):
    original = read_splits(shared / "data/bccd")
    few = {split: original[split][:8] for split in ("train", "val", "test")}
    convert(few, tmp_path / "out", to)
    back = read_splits(tmp_path / "out")
    assert list(back) == list(few)
    for split, dataset in few.items():
        assert close(boxes_of(back[split]), boxes_of(dataset))
