import hashlib

import numpy as np
import pytest

from condetr.core.errors import UsageError
from condetr.data.demo.glyphs import glyphs_of
from condetr.data.demo.scene_folder import write_scenes
from condetr.data.demo.scenes import CLUTTER, DIGITS, INK, PAPER, STUFF, scene
from condetr.data.discovery.formats import read_splits
from condetr.data.object_masks import object_masks


def pixels_of(item):
    return np.asarray(item.image)


def test_scenes_stay_what_they_are():
    """Models are trained and measured on them: a scene that changes makes every such number another one."""
    content = hashlib.sha256()
    for split in ("train", "val", "test"):
        for i in range(40):
            made = scene(i, split=split, seed=3 * (i % 2), side=96 if i % 3 else 128)
            content.update(pixels_of(made).tobytes())
            content.update(repr((made.boxes, made.labels)).encode())
    assert content.hexdigest() == "efbc1a5b75026b91c9f54b4b74d571e8a846ce4a8b9ffc4220251a42e3e8e9c3"


def test_a_scene_depends_on_seed_split_and_number_alone():
    before = scene(7, split="val", seed=5)
    for other in range(3):
        scene(other)
    again = scene(7, split="val", seed=5)
    assert (pixels_of(before) == pixels_of(again)).all()
    assert (before.boxes, before.labels) == (again.boxes, again.labels)
    for different in (scene(8, split="val", seed=5), scene(7, split="test", seed=5), scene(7, split="val", seed=6)):
        assert (pixels_of(different) != pixels_of(before)).any()


def test_no_split_has_the_handwriting_of_another():
    parts = {split: glyphs_of(split)[0] for split in ("train", "val", "test")}
    assert {split: len(part) for split, part in parts.items()} == {"train": 1297, "val": 250, "test": 250}
    written = [glyph.tobytes() for part in parts.values() for glyph in part]
    assert len(set(written)) == len(written) == 1797


def test_digits_are_where_their_boxes_are_and_of_the_promised_sizes():
    sizes, counts, labels = [], [], set()
    for i in range(150):
        made = scene(i)
        assert made.image.size == (96, 96)
        assert made.image.mode == "RGB"
        counts.append(len(made.boxes))
        labels.update(made.labels)
        gray = pixels_of(made).mean(axis=2)
        for x1, y1, x2, y2 in made.boxes:
            assert 0 <= x1 < x2 <= 96
            assert 0 <= y1 < y2 <= 96
            sizes.append(y2 - y1)
            inside = gray[int(y1) : int(y2), int(x1) : int(x2)]
            assert inside.min() < np.median(gray) - 40, "ink is darker than paper"
            for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
                assert edge.min() < inside.max() - 15, "the box is tight"
    assert labels == set(range(10))
    assert set(counts) == {1, 2, 3, 4, 5, 6}
    assert min(sizes) >= 11
    assert max(sizes) <= 44
    assert np.percentile(sizes, 10) < 17
    assert np.percentile(sizes, 90) > 33


def test_every_pixel_belongs_to_a_digit_or_to_stuff():
    seen = set()
    for i in range(60):
        made = scene(i)
        gray = pixels_of(made).mean(axis=2)
        assert set(np.unique(made.owners)) <= set(range(-1, len(made.boxes)))
        for number, (x1, y1, x2, y2) in enumerate(made.boxes):
            rows, columns = np.nonzero(made.owners == number)
            assert x1 <= columns.min() < columns.max() < x2
            assert y1 <= rows.min() < rows.max() < y2
            assert gray[rows, columns].mean() < np.median(gray) - 20
        seen |= set(np.unique(made.stuff))
        paper = (made.stuff == PAPER) & (made.owners < 0)
        for label in (INK, CLUTTER):
            marks = (made.stuff == label) & (made.owners < 0)
            assert marks.sum() < 20 or gray[marks].mean() < gray[paper].mean()
    assert seen == {PAPER, INK, CLUTTER}


@pytest.mark.parametrize("task", ["instance", "panoptic"])
def test_folders_with_masks(tmp_path, task):
    written = write_scenes(tmp_path / "scenes", train=8, val=2, task=task)
    read = read_splits(tmp_path / "scenes", masks=True, panoptic=task == "panoptic")
    for split, dataset in read.items():
        assert not dataset.report
        assert dataset.classes == (STUFF if task == "panoptic" else DIGITS)
        assert [item.path for item in dataset] == [item.path for item in written[split]]
        for i, example in enumerate(dataset):
            made = scene(i, split=split)
            masks = object_masks(example, example.objects)
            assert masks.sum(dim=0).max() == 1
            assert [item.area for item in example.objects] == masks.flatten(1).sum(dim=1).tolist()
            digits = [labeled for labeled in example.objects if labeled.label not in dataset.classes.stuff]
            assert [digit.label for digit in digits] == list(made.labels)
            for number, mask in enumerate(object_masks(example, digits)):
                assert (mask.numpy() == (made.owners == number)).all()
            if task == "panoptic":
                assert masks.any(dim=0).float().mean() > 0.98, "hardly anything is nobody's"


def test_the_images_are_the_same_for_every_task(tmp_path):
    contents = []
    for task in ("detect", "instance", "panoptic"):
        write_scenes(tmp_path / task, train=3, val=0, task=task)
        contents.append([path.read_bytes() for path in sorted((tmp_path / task).rglob("*.jpg"))])
    assert contents[0] == contents[1] == contents[2]


def test_digits_hardly_overlap():
    for i in range(100):
        boxes = scene(i).boxes
        for a, one in enumerate(boxes):
            for other in boxes[:a]:
                across = min(one[2], other[2]) - max(one[0], other[0])
                down = min(one[3], other[3]) - max(one[1], other[1])
                smaller = min((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (one, other))
                assert max(0, across) * max(0, down) < 0.1 * smaller


@pytest.mark.parametrize("side", [64, 160])
def test_other_sizes(side):
    assert scene(0, side=side).image.size == (side, side)


def test_a_folder_of_scenes_is_a_coco_dataset(tmp_path):
    written = write_scenes(tmp_path / "digits", train=6, val=3)
    read = read_splits(tmp_path / "digits")
    assert list(read) == ["train", "val"]
    for split, dataset in read.items():
        assert not dataset.report
        assert dataset.classes.names == DIGITS.names
        assert [item.path for item in dataset] == [item.path for item in written[split]]
        for i, example in enumerate(dataset):
            made = scene(i, split=split)
            assert tuple(labeled.box for labeled in example.objects) == made.boxes
            assert tuple(labeled.label for labeled in example.objects) == made.labels
    with pytest.raises(UsageError):
        write_scenes(tmp_path / "digits")
