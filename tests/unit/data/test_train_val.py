import json

import pytest

from condetr.core.errors import DataError
from condetr.data.checks.verdict import shared_images
from condetr.data.train_val import train_val_of
from tests.unit.data.conftest import image


@pytest.fixture
def coco(tmp_path):
    """Writes a COCO folder: for each split its images, those below zero without objects."""

    def write(**splits):
        for split, numbers in splits.items():
            images = [{"id": 1 + n, "file_name": f"{abs(n)}.png", "width": 24, "height": 24} for n in map(abs, numbers)]
            annotations = [
                {"id": n, "image_id": 1 + n, "category_id": n % 2, "bbox": [2, 2, 9, 9], "area": 81, "iscrowd": 0}
                for n in numbers
                if n >= 0
            ]
            for n in map(abs, numbers):
                image(tmp_path / f"images/{n}.png", (24, 24), seed=n)
            categories = [{"id": 0, "name": "even"}, {"id": 1, "name": "odd"}]
            path = tmp_path / f"annotations/{split}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
        return tmp_path

    return write


def named(dataset):
    return [dataset.name_of(example) for example in dataset]


def test_train_and_val_are_used_if_they_exist(coco):
    chosen = train_val_of(coco(train=range(4), val=range(4, 6), test=range(6, 8)))
    assert (chosen.train.split, len(chosen.train)) == ("train", 4)
    assert (chosen.val.split, len(chosen.val)) == ("val", 2)
    assert chosen.notes == ()
    named_ones = train_val_of(coco(), split="val", validation="test")
    assert (named_ones.train.split, named_ones.val.split) == ("val", "test")
    assert train_val_of(coco(), validation="none").val is None


def test_without_val_a_tenth_is_held_out_and_noted(coco):
    data = coco(train=range(20), test=range(20, 24))
    chosen, again = train_val_of(data), train_val_of(data)
    assert (chosen.train.split, len(chosen.train), len(chosen.val)) == ("train", 18, 2)
    assert {labeled.label for example in chosen.val for labeled in example.objects} == {0, 1}
    assert not shared_images(chosen.train, chosen.val)
    assert named(chosen.val) == named(again.val)
    (note,) = chosen.notes
    assert note.startswith("there is no val split to evaluate on: 2 of the 20 images of train are held out for it")
    everything = train_val_of(data, hold_out=False)
    assert (len(everything.train), everything.val, everything.notes) == (20, None, ())


def test_too_few_images_are_all_trained_on(coco):
    for numbers in ([3], [3, -4]):
        chosen = train_val_of(coco(train=numbers))
        assert (len(chosen.train), chosen.val) == (len(numbers), None)
        assert "too few images with objects to hold some out" in chosen.notes[0]


def test_trained_images_are_not_evaluated_on_unless_requested(coco):
    data = coco(train=range(10), val=range(10, 20), trainval=range(20))
    chosen = train_val_of(data, split="trainval")
    assert (len(chosen.train), len(chosen.val)) == (18, 2)
    assert chosen.notes[0].startswith("the images of val are trained on: 2 of the 20 images of trainval are held out")
    requested = train_val_of(data, split="trainval", validation="val")
    note = "10 of the 10 images to evaluate on are trained on: results will be too optimistic"
    assert requested.notes == (note,)


def test_trainval_replaces_a_missing_train(coco):
    assert train_val_of(coco(trainval=range(4), test=range(4, 6)), validation="test").train.split == "trainval"


def test_a_split_without_objects_is_refused_at_once(coco):
    with pytest.raises(DataError, match=r"no image of val has an object.*--validation"):
        train_val_of(coco(train=range(4), val=[-5, -6]))
    with pytest.raises(DataError, match="there are"):
        train_val_of(coco(), split="evening")
