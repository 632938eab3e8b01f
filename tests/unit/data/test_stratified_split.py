from collections import Counter
from pathlib import Path

import pytest

from condetr.core.errors import DataError, UsageError
from condetr.data.classes import Classes
from condetr.data.records import Dataset, Example, Object
from condetr.data.stratified_split import divide

SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}


def dataset_of(*labels_of_images):
    box = (0.0, 0.0, 5.0, 5.0)
    examples = tuple(
        Example(Path(f"/pictures/{i}.jpg"), (9, 9), i, tuple(Object(label, box, 25.0) for label in labels))
        for i, labels in enumerate(labels_of_images)
    )
    return Dataset(examples, Classes.named("abc"), Path("/pictures"))


MANY = dataset_of(*[(0,)] * 80, *[(0, 1)] * 10, *[(2,)] * 10, *[()] * 100)


def test_each_image_goes_to_one_split():
    parts = divide(MANY, SHARES)
    assert {split: len(part) for split, part in parts.items()} == {"train": 160, "val": 20, "test": 20}
    assert sorted(example.image_id for part in parts.values() for example in part) == list(range(200))
    assert {part.split for part in parts.values()} == set(SHARES)


def test_rare_classes_are_in_every_split():
    for part in divide(MANY, SHARES).values():
        counts = Counter(labeled.label for example in part for labeled in example.objects)
        share = len(part) / len(MANY)
        assert counts[2] == pytest.approx(10 * share)
        assert counts[1] == pytest.approx(10 * share)


def test_the_same_seed_the_same_parts():
    one, other = (divide(MANY, SHARES, seed=3)["val"].fingerprint() for _ in range(2))
    assert one == other != divide(MANY, SHARES, seed=4)["val"].fingerprint()


def test_no_split_is_empty():
    parts = divide(dataset_of((0,), (0,), (1,)), {"train": 100.0, "val": 1.0, "test": 1.0})
    assert [len(part) for part in parts.values()] == [1, 1, 1]


def test_what_cannot_be_divided_is_refused():
    with pytest.raises(UsageError, match="positive"):
        divide(MANY, {"train": 1.0, "val": 0.0})
    with pytest.raises(DataError, match="too few"):
        divide(dataset_of((0,)), {"train": 1.0, "val": 1.0})
