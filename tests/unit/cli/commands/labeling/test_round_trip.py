"""What ``label`` writes is checked, trained on and measured: in each format the objects and classes are the same."""

import shutil
from itertools import count
from pathlib import Path

import pytest
from PIL import Image

import condetr as package
from condetr.bundled import DIGITS
from condetr.checkpoints.loading import load
from condetr.checkpoints.saving import save
from condetr.data.demo.scenes import scene
from condetr.data.discovery.formats import read_dataset
from condetr.data.object_masks import object_masks
from tests.tiny import PREPROCESSING, tiny_segmenter

pytestmark = pytest.mark.slow  # a training of each format
NAMES = ["zero 0", "größe", "2, two", "yes", '4: "x" & <y>', "null", "猫", "7#7", "010", "e\u0301"]
FILES = ["a.jpg", "cam 1/a.jpg", "cäm 2/a.jpg", "100% sure?/#1 ü.jpg", "cam 1/nothing.png"]
ALL_FORMATS = ["coco", "yolo", "voc", "cvat", "label-studio"]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Images in folders, three of one name, one without objects."""
    folder, numbers = tmp_path_factory.mktemp("scenes"), count()
    for name in FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        blank = Image.new("RGB", (96, 64), (230, 230, 225))
        (blank if "nothing" in name else scene(next(numbers), split="val").image).save(folder / name, quality=95)
    return folder


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The bundled detector, its classes renamed."""
    folder, bundled = tmp_path_factory.mktemp("digits"), load(DIGITS)
    save(folder, bundled.detector, dict(enumerate(NAMES)), preprocessing=bundled.preprocessing)
    return folder


def labeled_in(dataset):
    """Names and boxes by the content of an image, which may have another name."""
    names = dataset.classes.names
    return {
        example.path.read_bytes(): [(names[one.label], pytest.approx(one.box, abs=6e-3)) for one in example.objects]
        for example in dataset
    }


@pytest.mark.parametrize("to", ALL_FORMATS)
def test_label_check_train_evaluate(condetr, condetr_json, digits, scenes, tmp_path, to):
    status, answer, err = condetr_json("label", scenes, "--model", digits, "--output", "out", "--format", to)
    assert (status, answer["counts"]["images"]) == (0, len(FILES)), err
    shutil.move(tmp_path / "out", tmp_path / "moved ö")
    found = package.load(digits).predict(scenes, threshold=0.5)
    dataset = read_dataset(tmp_path / "moved ö")
    before = {Path(each.source).read_bytes(): [(one.name, one.box) for one in each] for each in found}
    assert labeled_in(dataset) == before
    assert answer["counts"]["objects"] == sum(map(len, found)) > 5
    status, answer, err = condetr_json("data", "check", "moved ö")
    assert (status, answer["format"], answer["usable"]) == (0, to, True), err
    train = answer["splits"]["train" if "train" in answer["splits"] else "all"]
    assert (train["pictures"], train["without_objects"]) == (5, 1)
    words = ["--steps", "1", "--lr", "1e-9", "--augment", "none", "--validation", "none", "--workers", "0"]
    status, _, err = condetr("train", "moved ö", "--model", digits, *words, "--output", "run")
    assert status == 0, err
    status, answer, err = condetr_json("evaluate", "moved ö", "--model", "run/last", "--split", dataset.split)
    assert status == 0, err
    assert answer["ap"] == pytest.approx(1, abs=1e-3), "each label is what the same model detects"


@pytest.mark.parametrize("to", ["coco", "yolo", "cvat", "label-studio"])
def test_masks_come_back(condetr, condetr_json, photos, tmp_path, to):
    """As polygons, which cover the same pixels where none may be missed."""
    save(tmp_path / "segmenter", tiny_segmenter(), dict(enumerate(NAMES[:3])), preprocessing=PREPROCESSING.to_dict())
    options = {"threshold": 0.2, "task": "instance"}
    found = package.load(tmp_path / "segmenter").predict([photos / "a.png", photos / "b.png"], **options)
    words = ("--model", "segmenter", "--threshold", 0.2, "--tolerance", 0, "--output", "out", "--format", to)
    assert condetr("label", photos / "a.png", photos / "b.png", *words)[0] == 0
    status, answer, err = condetr_json("data", "check", "out", "--task", "instance")
    assert (status, answer["format"]) == (0, to), err
    dataset = read_dataset(tmp_path / "out", masks=True)
    masks = {Path(each.source).name: each for each in found}
    for example in dataset:
        expected = masks[example.path.name]
        visible = [number for number in range(len(expected)) if expected.masks[number].any()]
        assert [dataset.classes.names[one.label] for one in example.objects] == [expected.names[n] for n in visible]
        assert object_masks(example, example.objects).equal(expected.masks[visible])
    assert sum(len(example.objects) for example in dataset) > 3
    words = ("--task", "instance", "--model", "segmenter", "--split", dataset.split)
    status, answer, err = condetr_json("evaluate", "out", *words)
    assert status == 0, err
    assert answer["masks"]["ap"] > 0.9
