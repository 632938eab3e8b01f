import json
import pickle

import pytest
import torch

from condetr.core.errors import DataError, ImageError
from condetr.data.checked_data import checked_data
from condetr.data.checks.check import check_splits, read_leniently
from condetr.data.convert import convert
from condetr.data.discovery.formats import layout_of, read_splits
from condetr.data.records import SampleIndex
from condetr.data.stored_images import StoredImage
from tests.unit.data.shards.shards import IMAGES, coco_files, members_of, parquet_shards, tar_of, tar_shards

KINDS = {"webdataset": tar_shards, "parquet": parquet_shards}


@pytest.fixture(params=KINDS)
def shards(request, tmp_path):
    if request.param == "parquet":
        pytest.importorskip("pyarrow")
    return KINDS[request.param](tmp_path / request.param)


def objects_of(dataset):
    return [[(dataset.classes.names[labeled.label], labeled.box) for labeled in example.objects] for example in dataset]


def test_shards_are_the_same_dataset_as_files(shards, tmp_path):
    files = read_splits(coco_files(tmp_path / "files"))
    splits = read_splits(shards)
    assert list(splits) == ["train", "val"]
    assert layout_of(shards).format == shards.name
    for split, dataset in splits.items():
        assert dataset.classes.names == ("cat", "dog")
        assert objects_of(dataset) == objects_of(files[split])
        assert [example.size for example in dataset] == [(48, 64)] * len(dataset)
        for number in range(len(dataset)):
            theirs = files[split].sample(SampleIndex(0, 0, number))
            assert torch.equal(dataset.sample(SampleIndex(0, 0, number))["image"], theirs["image"])


def test_columns_keep_the_places_and_any_change_of_a_shard_is_noticed(shards, tmp_path, monkeypatch):
    monkeypatch.setenv("CONDETR_DATA_CACHE", str(tmp_path / "cache"))
    first, again = checked_data(shards), checked_data(shards)
    assert not first.checks.counts
    train = again.splits["train"]
    assert [example.part for example in train] == [example.part for example in read_splits(shards)["train"]]
    copied = pickle.loads(pickle.dumps(train.examples))
    assert [example.image.read() for example in copied] == IMAGES[:4]
    assert {train.name_of(example).count("/") for example in train} == {1}
    last = sorted(shards.iterdir())[0]
    if last.suffix == ".tar":
        tar_of(last, members_of([1, 3, 0]))
        assert len(checked_data(shards).splits["train"]) == 5


def test_a_shard_that_is_cut_off_later_is_named_with_its_member(shards):
    train = read_splits(shards)["train"]
    shard = sorted(shards.iterdir())[0]
    shard.write_bytes(shard.read_bytes()[:700])
    with pytest.raises(ImageError, match=f"{shard.name}/000000.png: (is cut off|cannot be read as Parquet)"):
        train.sample(SampleIndex(0, 0, 0))


def test_shards_are_converted(shards, tmp_path):
    convert(read_splits(shards), tmp_path / "out", "coco")
    assert objects_of(read_splits(tmp_path / "out")["train"]) == objects_of(read_splits(shards)["train"])


@pytest.mark.parametrize(
    "labels",
    [
        {"objects": [{"bbox": [4, 5, 20, 30], "category": "cat"}]},
        {
            "annotations": [{"bbox": [4, 5, 20, 30], "category_id": 7, "iscrowd": 0}],
            "categories": [{"id": 7, "name": "cat"}],
        },
        [{"bbox": [4, 5, 20, 30], "label": "cat", "objects": 1}],
        {"objects": {"bbox": [[4, 5, 20, 30]], "category": ["cat"]}},
    ],
)
def test_labels_in_the_usual_forms(tmp_path, labels):
    tar_of(tmp_path / "a.tar", {"in/0.png": IMAGES[0], "in/0.json": json.dumps(labels).encode()})
    (dataset,) = read_splits(tmp_path).values()
    assert objects_of(dataset) == [[("cat", (4, 5, 24, 35))]]
    assert dataset.name_of(dataset[0]) == "a.tar/in/0.png"


def test_numbers_are_named_by_a_list_of_classes(tmp_path):
    (tmp_path / "classes.txt").write_text("a\nb\nc\n")
    labels = {"objects": {"bbox": [[4, 5, 20, 30]], "category": [2]}}
    tar_of(tmp_path / "train/0.tar", {"0.png": IMAGES[0], "0.json": json.dumps(labels).encode()})
    (dataset,) = read_splits(tmp_path).values()
    assert dataset.split == "train"
    assert dataset.classes.names == ("a", "b", "c")
    assert objects_of(dataset) == [[("c", (4, 5, 24, 35))]]


def problems(folder):
    splits, report = read_leniently(folder)
    check_splits(splits, report)
    return {kind.name: [str(each) for each in report.of(kind)] for kind in report.counts}


def test_what_a_shard_lacks_is_counted_and_named(tmp_path):
    members = members_of([0, 1]) | {
        "2.png": IMAGES[2], "3.json": b"{}", "4.png": b"nothing", "4.json": members_of([1])["000001.json"],
        "5.png": IMAGES[5], "5.json": b'{"objects": 7}', "6.png": IMAGES[6], "6.json": b"{",
    }  # fmt: skip
    tar_of(tmp_path / "a.tar", members)
    found = problems(tmp_path)
    assert "a.tar: 2.png: has no JSON file" in found["MISSING_LABELS"][0]
    assert "a.tar: 3.json: has no image" in found["ORPHAN_LABELS"][0]
    assert "a.tar: 4.png: its format cannot be identified" in found["UNREADABLE_PICTURE"][0]
    assert "a.tar: 5.png: has objects 7" in found["BAD_FIELD"][0]
    assert "a.tar: 6.png: has labels that are no JSON" in found["BAD_FIELD"][1]


@pytest.mark.parametrize("name", ["../7", "/etc/7", "a/../../7"])
def test_names_that_lead_outside_are_refused(tmp_path, name):
    outside = {f"{name}.png": IMAGES[0], f"{name}.json": members_of([0])["000000.json"]}
    tar_of(tmp_path / "a.tar", members_of([0, 1]) | outside)
    assert len(problems(tmp_path)["OUTSIDE_NAME"]) == 2


@pytest.mark.parametrize("others", [0, 1])
def test_a_shard_that_ends_too_early_is_refused(tmp_path, others):
    for number in range(others):
        tar_of(tmp_path / f"b{number}.tar", members_of([2, 3]))
    path = tar_of(tmp_path / "a.tar", members_of([0, 1]))
    path.write_bytes(path.read_bytes()[: len(IMAGES[0]) + 4000])
    (line,) = problems(tmp_path)["BAD_FILE"]
    assert "a.tar: is damaged behind" in line
    with pytest.raises(DataError, match="is damaged behind"):
        read_splits(tmp_path)


def test_a_shard_without_any_sense_is_refused_beside_others(shards):
    tar_of(shards / "train-9.tar", members_of([6, 7])) if shards.name == "webdataset" else None
    first, *_ = sorted(shards.iterdir())
    first.write_bytes(b"nothing" * 1000)
    (line,) = problems(shards)["BAD_FILE"]
    assert f"{first.name}: " in line
    with pytest.raises(DataError, match=first.name):
        read_splits(shards)


def test_archives_of_other_things_are_no_dataset(tmp_path):
    tar_of(tmp_path / "a.tar", {"0.png": IMAGES[0], "0.json": b'{"caption": "a"}'})
    (tmp_path / "b.tar").write_bytes(b"nothing")
    with pytest.raises(DataError, match="holds no dataset of a known format"):
        layout_of(tmp_path)


def test_an_image_of_a_tar_is_read_by_its_offset(tmp_path, monkeypatch):
    tar_shards(tmp_path)
    train = read_splits(tmp_path)["train"]
    monkeypatch.setattr("tarfile.open", lambda *_, **__: pytest.fail("the archive is searched"))
    assert [example.image.read() for example in train] == IMAGES[:4]
    assert isinstance(train[0].image, StoredImage)
