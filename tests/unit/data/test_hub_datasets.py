"""Datasets of the library `datasets`, by stand-ins that have what is used of it."""

import io
import sys
import types

import pytest
from PIL import Image as Pil

from condetr.core.errors import DataError, UsageError
from condetr.data.discovery.formats import layout_of, read_dataset
from condetr.data.hub_datasets import data_path, folder_of_hub_dataset
from tests.unit.data.checking import check
from tests.unit.data.hub_dataset import BOXES, FEATURES, FIELDS, ClassLabel, Dataset, Image, Sequence, jpeg, rows
from tests.unit.data.tools.reading import found, mask_areas


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/condetr/datasets"


def objects_of(data):
    return {split: list(images.values()) for split, images in found(folder_of_hub_dataset(data))[0].items()}


EXPECTED = [("cup", (10, 5, 30, 15)), ("hand", (0, 0, 60, 40))]


def test_splits_classes_and_the_stored_images(cache):
    data = {"train": Dataset(rows((BOXES, [])), FEATURES), "validation": Dataset(rows(), FEATURES)}
    assert objects_of(data) == {"train": [EXPECTED, []], "val": [EXPECTED]}
    (folder,) = cache.iterdir()
    dataset = read_dataset(folder, "train")
    assert dataset.classes.names == ("hand", "cup")
    assert dataset[1].path.read_bytes() == jpeg(1)
    assert not dataset.report
    written = dataset[0].path.stat().st_mtime_ns
    assert folder_of_hub_dataset(data) == folder
    assert dataset[0].path.stat().st_mtime_ns == written
    assert folder_of_hub_dataset(data | {"train": Dataset(rows(), FEATURES)}) != folder


def test_one_dataset_has_the_split_it_was_taken_from():
    assert list(objects_of(Dataset(rows(), FEATURES))) == ["all"]
    assert list(objects_of(Dataset(rows(), FEATURES, split="test[:10%]"))) == ["test"]


@pytest.mark.parametrize("form", ["list of mappings", "other names", "names as text", "numbers", "pil", "sequence"])
def test_other_forms_of_the_columns(form):
    table, features, expected = rows(), dict(FEATURES), EXPECTED
    objects = table[0]["objects"]
    if form == "list of mappings":
        table[0]["objects"] = [{"bbox": box, "category": 1 - i} for i, box in enumerate(BOXES)]
        features["objects"] = [{"bbox": Sequence("float32"), "category": ClassLabel(["hand", "cup"])}]
    elif form == "other names":
        table[0]["objects"] = {"boxes": objects["bbox"], "labels": objects["category"]}
        features["objects"] = {"boxes": FIELDS["bbox"], "labels": FIELDS["category"]}
    elif form == "names as text":
        objects["category"] = ["cup", "hand"]
        features["objects"] = FIELDS | {"category": Sequence("string")}
    elif form == "numbers":
        features["objects"] = FIELDS | {"category": Sequence("int64")}
        expected = [("1", EXPECTED[0][1]), ("0", EXPECTED[1][1])]
    elif form == "pil":
        table[0]["image"] = Pil.open(io.BytesIO(jpeg())).convert("L")
        features["image"] = "image"
    else:
        features["objects"] = Sequence({"bbox": Sequence("float32"), "category": ClassLabel(["hand", "cup"])})
    assert objects_of(Dataset(table, features)) == {"all": [expected]}


def test_boxes_as_corners_are_recognized_with_a_warning(caplog):
    corners = [[10, 5, 30, 15], [40, 30, 60, 40]]
    assert objects_of(Dataset(rows((corners,)), FEATURES))["all"][0][1] == ("hand", (40, 30, 60, 40))
    assert "x1, y1, x2, y2" in caplog.text
    caplog.clear()
    objects_of(Dataset(rows(), FEATURES))
    assert not caplog.text


def test_masks_and_crowds():
    table = rows()
    table[0]["objects"] |= {"segmentation": [[[10, 5, 30, 5, 30, 15, 10, 15]], [[0, 0, 60, 0, 60, 40]]]}
    table[0]["objects"] |= {"iscrowd": [False, True]}
    features = FEATURES | {"objects": FIELDS | {"segmentation": None, "iscrowd": None}}
    folder = folder_of_hub_dataset(Dataset(table, features))
    assert list(mask_areas(folder).values()) == [[200]]
    assert len(read_dataset(folder)[0].crowds) == 1


def test_what_is_not_usable_is_refused(cache):
    short = rows()
    short[0]["objects"]["category"] = [1]
    wrong = rows()
    wrong[0]["image"] = 5
    for data, words in (
        (Dataset(rows(), {"image": Image(), "label": ClassLabel(["a"])}), "none of which holds boxes and classes"),
        (Dataset([{"text": "a"}], {"text": "string"}), "none of which holds images"),
        (Dataset(short, FEATURES), "2 boxes, expected 1"),
        (Dataset(wrong, FEATURES | {"image": "image"}), "its image is a int"),
    ):
        with pytest.raises(DataError, match=words):
            folder_of_hub_dataset(data)
    assert not cache.exists() or not list(cache.iterdir())
    with pytest.raises(UsageError, match=r"is a list, expected a path"):
        data_path([1])
    assert data_path("x") == "x"
    unknown = folder_of_hub_dataset(Dataset(rows(classes=(1, 7)), FEATURES))
    assert check(unknown)[1].to_dict()["unknown_category"]["count"] == 1


def test_a_folder_of_save_to_disk(tmp_path, monkeypatch):
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "dataset_dict.json").write_text('{"splits": ["train"]}')
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install datasets"):
        layout_of(folder)
    library = types.ModuleType("datasets")
    library.load_from_disk = lambda path: {"train": Dataset(rows(), FEATURES)}
    monkeypatch.setitem(sys.modules, "datasets", library)
    assert layout_of(folder).format == "datasets"
    assert list(found(folder)[0]["train"].values()) == [EXPECTED]
    library.load_from_disk = lambda path: 1 / 0
    with pytest.raises(DataError, match=r"cannot be read by datasets: division"):
        layout_of(folder)
