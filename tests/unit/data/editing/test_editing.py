import numpy as np
import pytest
from PIL import Image, ImageFilter

from condetr.core.errors import UsageError
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.formats import read_dataset
from condetr.data.editing.classes import renamed, without
from condetr.data.editing.merging import joined
from condetr.data.editing.near_duplicates import without_near_duplicates
from condetr.data.image_groups import groups_of
from condetr.data.stratified_split import divide
from tests.unit.data.conftest import good_content


def names_on(dataset):
    return [[dataset.classes.names[labeled.label] for labeled in example.objects] for example in dataset]


def test_a_class_gets_another_name_and_keeps_its_id(coco):
    splits = {"train": read_dataset(coco())}
    changed = renamed(splits, {"cat": "Katze"})["train"]
    assert changed.classes.names == ("dog", "Katze", "ант")
    assert changed.classes.source_ids == (4, 9, 17)
    assert names_on(changed) == [[{"cat": "Katze"}.get(n, n) for n in names] for names in names_on(splits["train"])]


def test_classes_of_one_name_become_one(coco):
    splits = {"train": read_dataset(coco())}
    merged = renamed(splits, {"cat": "animal", "dog": "animal"})["train"]
    assert merged.classes.names == ("animal", "ант")
    assert [len(names) for names in names_on(merged)] == [len(names) for names in names_on(splits["train"])]
    assert {name for names in names_on(merged) for name in names} == {"animal"}
    assert [crowd.label for example in merged for crowd in example.crowds] == [0]
    swapped = renamed(splits, {"cat": "dog", "dog": "cat"})["train"]
    assert swapped.classes.names == ("cat", "dog", "ант")


def test_a_class_is_dropped_with_its_objects(coco):
    splits = {"train": read_dataset(coco())}
    left = without(splits, ["dog"])["train"]
    assert left.classes.names == ("cat", "ант")
    assert names_on(left) == [[name for name in names if name != "dog"] for names in names_on(splits["train"])]
    assert [example.crowds for example in left] == [(), (), ()]
    assert len(left) == 3


def test_unknown_classes_are_refused(coco):
    splits = {"train": read_dataset(coco())}
    with pytest.raises(UsageError, match=r"no class 'cats' \(there are cat"):
        renamed(splits, {"cats": "x"})
    with pytest.raises(UsageError, match="would leave no class"):
        without(splits, ["cat", "dog", "ант"])


def test_datasets_are_joined_by_the_names_of_their_classes(coco, tmp_path):
    first = read_dataset(coco(folder=tmp_path / "one"))
    content = good_content()
    content["categories"] = [{"id": 9, "name": "bird"}, {"id": 4, "name": "cat"}, {"id": 17, "name": "dog"}]
    second = read_dataset(coco(content, folder=tmp_path / "two"))
    whole = joined([{"train": first}, {"train": second[:2], "val": second[2:]}])
    assert list(whole) == ["train", "val"]
    assert whole["train"].classes.names == ("dog", "cat", "ант", "bird")
    assert whole["val"].classes == whole["train"].classes
    assert names_on(whole["train"]) == names_on(first) + names_on(second[:2])
    assert len({example.image_id for example in whole["train"]}) == 5
    assert [whole["train"].name_of(example) for example in whole["train"]][3] == "two/images/a.jpg"


def test_an_image_of_two_datasets_is_taken_once_and_the_undivided_are_trained_on(coco):
    dataset = read_dataset(coco())
    whole = joined([{"all": dataset}, {"train": dataset[:1], "val": dataset[1:2]}])
    assert [len(whole[split]) for split in ("train", "val")] == [3, 0]
    assert whole["train"].report.counts[ProblemKind.REPEATED_PICTURE] == 1
    assert list(joined([{"all": dataset}])) == ["all"]


@pytest.fixture
def copies(coco, tmp_path):
    """A dataset of three images, and of near duplicates of them in another split."""
    original = read_dataset(coco(folder=tmp_path / "one"))
    other = read_dataset(coco(folder=tmp_path / "two"))
    rng = np.random.default_rng(0)
    for number, example in enumerate(original):
        small = rng.integers(0, 256, (9, 8, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize(example.size[::-1], Image.Resampling.BICUBIC)
        image.save(example.path, quality=95)
        if number < 2:
            brighter = Image.eval(image.filter(ImageFilter.GaussianBlur(0.6)), lambda level: min(255, level + 4))
            brighter.save(other[number].path, quality=80)
        else:
            image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(other[number].path)
    return {"train": original, "val": other}


def test_near_duplicates_are_left_out_of_what_is_trained_on(copies):
    left, report = without_near_duplicates(copies)
    assert [example.path.name for example in left["train"]] == ["c.jpg"], "its twin is mirrored"
    assert left["val"].examples == copies["val"].examples
    assert report.counts == {ProblemKind.NEAR_DUPLICATE: 2}
    assert "of train is nearly the same as a.jpg of val" in str(report)


def test_of_two_in_one_split_that_with_more_objects_is_kept(copies):
    single = joined([{"train": copies["train"]}, {"train": copies["val"]}])
    left, _ = without_near_duplicates(single)
    assert len(left["train"]) == 4


def test_unreadable_images_are_left_out(copies):
    copies["train"][2].path.write_bytes(b"no image")
    left, report = without_near_duplicates(copies)
    assert (len(left["train"]), report.counts[ProblemKind.UNREADABLE_PICTURE]) == (0, 1)
    with pytest.raises(UsageError, match="bits: is 8, expected 0 to 7"):
        without_near_duplicates(copies, bits=8)


def test_groups_stay_together(coco, tmp_path):
    content = good_content()
    dataset = read_dataset(coco(content))
    many = dataset.subset([number % 3 for number in range(30)])
    groups = [number // 5 for number in range(30)]
    parts = divide(many, {"train": 0.6, "val": 0.4}, groups=groups)
    assert sorted(len(part) for part in parts.values()) in ([10, 20], [15, 15])
    assert sum(len(part) for part in parts.values()) == 30
    alone = divide(many, {"train": 0.6, "val": 0.4})
    assert [len(part) for part in alone.values()] == [18, 12]


def test_groups_are_found_in_names(coco):
    dataset = read_dataset(coco())
    assert groups_of(dataset, r"(.)\.(jpg|png)") == [("a", "jpg"), ("b", "png"), ("c", "jpg")]
    assert groups_of(dataset, r"jpg$") == ["jpg", (None, 1), "jpg"]
    assert len(set(groups_of(dataset, "folder"))) == 1
    with pytest.raises(UsageError, match="no regular expression"):
        groups_of(dataset, "(")
    with pytest.raises(UsageError, match=r"is found in no name of an image, such as a\.jpg"):
        groups_of(dataset, "patient")
