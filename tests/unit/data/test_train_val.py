import json

import pytest

from condetr.core.errors import DataError
from condetr.data.train_val import parts_of, shared
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


def test_train_and_val_are_taken_where_they_are(coco):
    parts = parts_of(coco(train=range(4), val=range(4, 6), test=range(6, 8)))
    assert (parts.learned_from.split, len(parts.learned_from)) == ("train", 4)
    assert (parts.measured_on.split, len(parts.measured_on)) == ("val", 2)
    assert parts.notes == ()
    named_ones = parts_of(coco(), split="val", validation="test")
    assert (named_ones.learned_from.split, named_ones.measured_on.split) == ("val", "test")
    assert parts_of(coco(), validation="none").measured_on is None


def test_without_val_a_tenth_is_kept_aside_and_said(coco):
    data = coco(train=range(20), test=range(20, 24))
    parts, again = parts_of(data), parts_of(data)
    assert (parts.learned_from.split, len(parts.learned_from), len(parts.measured_on)) == ("train", 18, 2)
    assert {one.label for example in parts.measured_on for one in example.objects} == {0, 1}
    assert not shared(parts.learned_from, parts.measured_on)
    assert named(parts.measured_on) == named(again.measured_on)
    (said,) = parts.notes
    assert said.startswith("there is no val to measure on: 2 of the 20 images of train are kept aside for it")
    everything = parts_of(data, keep_aside=False)
    assert (len(everything.learned_from), everything.measured_on, everything.notes) == (20, None, ())


def test_too_few_images_are_all_learned_from(coco):
    for numbers in ([3], [3, -4]):
        parts = parts_of(coco(train=numbers))
        assert (len(parts.learned_from), parts.measured_on) == (len(numbers), None)
        assert "too few images with objects to keep some aside" in parts.notes[0]


def test_what_is_learned_from_does_not_measure_unless_it_is_asked_to(coco):
    data = coco(train=range(10), val=range(10, 20), trainval=range(20))
    parts = parts_of(data, split="trainval")
    assert (len(parts.learned_from), len(parts.measured_on)) == (18, 2)
    assert parts.notes[0].startswith("the images of val are learned from: 2 of the 20 images of trainval are kept")
    asked = parts_of(data, split="trainval", validation="val")
    assert asked.notes == ("10 of the 10 images to measure on are learned from: what is measured will flatter",)


def test_trainval_stands_for_train_where_there_is_no_train(coco):
    assert parts_of(coco(trainval=range(4), test=range(4, 6)), validation="test").learned_from.split == "trainval"


def test_a_part_that_nothing_can_be_found_in_is_refused_at_once(coco):
    with pytest.raises(DataError, match=r"no image of val has an object.*--validation"):
        parts_of(coco(train=range(4), val=[-5, -6]))
    with pytest.raises(DataError, match="there are"):
        parts_of(coco(), split="evening")
