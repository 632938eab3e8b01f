"""Labels that are not found make background: they are matched, or the data set is refused."""

import os
import unicodedata

import pytest

from condetr.core.errors import DataError
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.formats import read_dataset, read_splits
from condetr.data.train_val import train_val_of
from tests.unit.data.checking import check
from tests.unit.data.conftest import image
from tests.unit.data.layouts import LINE, SIZE, voc_beside, write, yolo


def objects_of(dataset):
    return [len(example.objects) for example in dataset]


def renamed(root, old, new):
    (root / new).parent.mkdir(parents=True, exist_ok=True)
    (root / old).rename(root / new)


@pytest.mark.parametrize(
    ("image_name", "label_name"),
    [
        ("t0.jpg", "t0.jpg.txt"),
        ("t0.jpg", "t0.TXT"),
        ("T0.JPG", "t0.txt"),
        ("cup é.jpg", "cup%20%C3%A9.txt"),
        ("cup é.jpg", "cup%20%C3%A9.jpg.txt"),
        ("cup%20x.jpg", "cup x.txt"),
        (unicodedata.normalize("NFC", "é.jpg"), unicodedata.normalize("NFD", "é.txt")),
        (unicodedata.normalize("NFD", "é.jpg"), unicodedata.normalize("NFC", "é.txt")),
    ],
)
def test_names_that_tools_and_systems_write_another_way_are_matched_and_reported(tmp_path, image_name, label_name):
    root = yolo(tmp_path)
    renamed(root, "images/train/t0.jpg", f"images/train/{image_name}")
    renamed(root, "labels/train/t0.txt", f"labels/train/{label_name}")
    dataset = read_dataset(root, "train")
    assert objects_of(dataset) == [1, 1]
    assert dataset.report.counts == {ProblemKind.CONVERTED_NAME: 1}


@pytest.mark.parametrize("folder", ["Labels", "LABELS"])
def test_folders_of_labels_in_other_letters(tmp_path, folder):
    root = yolo(tmp_path)
    renamed(root, "labels", folder)
    assert [objects_of(dataset) for dataset in read_splits(root).values()] == [[1, 1], [1, 1]]


def test_the_exact_name_wins_over_a_similar_one(tmp_path):
    root = yolo(tmp_path)
    image(root / "images/train/T0.jpg", SIZE, seed=77)
    if len(list((root / "images/train").iterdir())) == 2:
        pytest.skip("this disk does not tell them apart")
    dataset = read_dataset(root, "train")
    assert [(example.path.name, len(example.objects)) for example in dataset] == [
        ("T0.jpg", 0),
        ("t0.jpg", 1),
        ("t1.jpg", 1),
    ]
    write(root / "labels/train/t0.jpg.txt", f"1 {LINE}\n")  # could be of T0.jpg, or is t0.jpg's, written again
    with pytest.raises(DataError, match="no image"):
        read_dataset(root, "train")


@pytest.mark.parametrize(
    "moved",
    [
        ("labels/train/t0.txt", "labels/t0.txt"),
        ("labels/train/t0.txt", "annotations/t0.txt"),
        ("labels/train/t0.txt", "labels/train/deeper/t0.txt"),
        ("labels/train/t0.txt", "labels/train/other.txt"),
        ("images/train/t0.jpg", "images/train/other.jpg"),
    ],
)
def test_images_without_labels_beside_labels_without_images_are_refused_everywhere(tmp_path, moved):
    root = yolo(tmp_path)
    renamed(root, *moved)
    for read in (read_splits, train_val_of):
        with pytest.raises(DataError, match=r"1 images have no label file.*1 label files have no image"):
            read(root)
    _, report = check(root)
    assert report.counts[ProblemKind.UNUSED_LABELS] == 1
    assert "looked for" in str(report)


def test_background_and_files_that_are_no_labels_stay_what_they_are(tmp_path):
    root = yolo(tmp_path)
    image(root / "images/train/background.jpg", SIZE, seed=5)
    image(root / "images/train/empty.jpg", SIZE, seed=6)
    write(root / "labels/train/empty.txt", "")
    write(root / "labels/train/README.txt", "made by hand\n")
    write(root / "labels/train/classes.txt", "cat\ndog\n")
    write(root / "README.roboflow.txt", "5 images\n")
    dataset = read_dataset(root, "train")
    assert objects_of(dataset) == [0, 0, 1, 1]
    assert dataset.report.counts == {ProblemKind.NO_LABELS: 1}
    train_val_of(root)


def test_labels_of_another_split_are_not_unused(tmp_path):
    root = yolo(tmp_path, {"train": "train.txt", "val": "val.txt"})
    for name in ("v0", "v1"):
        renamed(root, f"images/val/{name}.jpg", f"images/train/{name}.jpg")
        renamed(root, f"labels/val/{name}.txt", f"labels/train/{name}.txt")
    image(root / "images/train/background.jpg", SIZE, seed=5)
    write(root / "train.txt", "images/train/t0.jpg\nimages/train/t1.jpg\nimages/train/background.jpg\n")
    write(root / "val.txt", "images/train/v0.jpg\nimages/train/v1.jpg\n")
    assert [objects_of(dataset) for dataset in read_splits(root).values()] == [[1, 1, 0], [1, 1]]


HIDDEN = ["images/train/.ipynb_checkpoints/t0-checkpoint.jpg", "images/train/@eaDir/t0.jpg", "images/train/._t0.jpg"]


@pytest.mark.parametrize("hidden", [*HIDDEN, "images/train/__MACOSX/x/t0.jpg", "images/train/.git/t0.jpg"])
def test_files_of_systems_and_programs_are_skipped_and_counted(tmp_path, hidden):
    root = yolo(tmp_path)
    image(root / hidden, SIZE, seed=8)
    for name in ("images/train/.DS_Store", "images/Thumbs.db", "labels/train/._t0.txt", "._data.yaml"):
        (root / name).write_bytes(b"\0\5\x16\7")
    dataset = read_dataset(root, "train")
    assert objects_of(dataset) == [1, 1]
    assert dataset.report.counts == {ProblemKind.HIDDEN: 2}
    train_val_of(root)


def test_hidden_label_files_of_other_formats(tmp_path):
    root = voc_beside(tmp_path)
    (root / "train/._t0.xml").write_bytes(b"\0\5\x16\7")
    assert read_dataset(root, "train").report.counts == {ProblemKind.HIDDEN: 1}


@pytest.mark.parametrize("new", ["cup%20x.xml", "cup x.jpg.xml", "Cup x.xml"])
def test_voc_names_that_tools_write_another_way(tmp_path, new):
    root = voc_beside(tmp_path)
    renamed(root, "train/t0.jpg", "train/cup x.jpg")
    renamed(root, "train/t0.xml", f"train/{new}")
    dataset = read_dataset(root, "train")
    assert objects_of(dataset) == [1, 1]
    assert dataset.report.counts == {ProblemKind.CONVERTED_NAME: 1}


def test_voc_images_without_labels_beside_labels_without_images(tmp_path):
    root = voc_beside(tmp_path)
    renamed(root, "train/t0.jpg", "train/other.jpg")
    with pytest.raises(DataError, match=r"1 images have no label file.*1 label files have no image"):
        read_dataset(root, "train")


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    root = yolo(tmp_path)
    scandir = os.scandir

    def refuse(path="."):
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    (root / "images/train/deep").mkdir()
    monkeypatch.setattr(os, "scandir", refuse)
    _, report = check(root)
    assert report.counts[ProblemKind.BAD_FILE] == 1
    assert "Permission denied" in str(report)


def test_links_to_folders_are_not_followed_in_circles_and_reported(tmp_path):
    root = yolo(tmp_path)
    (root / "images/train/again").symlink_to(root / "images")
    (root / "images/train/self.jpg").symlink_to(root / "images/train/self.jpg")
    dataset = read_dataset(root, "train")
    assert objects_of(dataset) == [1, 1]
    assert dataset.report.counts[ProblemKind.LINKED_FOLDER] == 1
    assert sum(dataset.report.counts.values()) == 2, "the link to itself is an image that cannot be read"
