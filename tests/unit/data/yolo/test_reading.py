import pytest
import yaml

from condetr.core.errors import AnnotationError, DataError
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.formats import layout_of, read_dataset, read_splits
from tests.unit.data.conftest import image

LINE = "1 0.5 0.5 0.25 0.5\n"


@pytest.fixture
def yolo(tmp_path):
    """Writes a YOLO folder of one or more training images, one for each text, and one for validation."""

    def write(*labels, names=("cat", "dog"), **more):
        root = tmp_path / "yolo"
        for i, text in enumerate(labels):
            image(root / f"images/train/{i}.jpg", seed=i)
            label = root / f"labels/train/{i}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            if text is not None:
                label.write_text(text)
        image(root / "images/val/v.png", seed=99)
        (root / "labels/val").mkdir(parents=True, exist_ok=True)
        (root / "labels/val/v.txt").write_text(LINE)
        content = {"train": "images/train", "val": "images/val", "names": list(names), **more}
        (root / "data.yaml").write_text(yaml.safe_dump(content))
        return root

    return write


def test_reads_fractions_as_pixels(yolo):
    splits = read_splits(yolo("0 0.5 0.5 1 1\n\n" + LINE, ""))
    assert list(splits) == ["train", "val"]
    first, second = splits["train"]
    assert [labeled.box for labeled in first.objects] == [(0.0, 0.0, 96.0, 64.0), (36.0, 16.0, 60.0, 48.0)]
    assert [labeled.label for labeled in first.objects] == [0, 1]
    assert second.objects == ()
    assert splits["train"].classes.names == ("cat", "dog")
    assert not splits["train"].report


def test_an_image_without_labels_has_no_objects_and_is_reported(yolo):
    dataset = read_dataset(yolo(LINE, None), "train")
    assert [len(example.objects) for example in dataset] == [1, 0]
    assert dataset.report.counts == {ProblemKind.NO_LABELS: 1}


def test_labels_without_an_image_are_reported(yolo):
    root = yolo(LINE)
    (root / "labels/train/gone.txt").write_text(LINE)
    (root / "labels/train/classes.txt").write_text("cat")
    dataset = read_dataset(root, "train")
    assert dataset.report.counts == {ProblemKind.ORPHAN_LABELS: 1}


def test_outlines_give_boxes_and_masks(yolo):
    root = yolo("0 0.25 0.25 0.75 0.25 0.75 0.5 0.25 0.5\n")
    dataset = read_dataset(root, "train")
    assert dataset[0].objects[0].box == (24.0, 16.0, 72.0, 32.0)
    assert dataset.report.counts == {ProblemKind.BOX_OF_OUTLINE: 1}
    masked = read_dataset(root, "train", masks=True)
    assert masked[0].objects[0].segmentation == [[24.0, 16.0, 72.0, 16.0, 72.0, 32.0, 24.0, 32.0]]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("0 0.5 0.5 0 0.5", ProblemKind.EMPTY_BOX),
        ("0 0.5 0.5 -0.1 0.5", ProblemKind.EMPTY_BOX),
        ("0 0.5 0.5 nan 0.5", ProblemKind.NOT_FINITE_BOX),
        ("0 1.5 0.5 0.1 0.5", ProblemKind.OUTSIDE_BOX),
    ],
)
def test_a_bad_box_is_left_out_by_line(yolo, line, reason):
    dataset = read_dataset(yolo(LINE + line), "train")
    assert len(dataset[0].objects) == 1
    assert dataset.report.counts == {reason: 1}
    assert dataset.report.of(reason)[0].item == "line 2"


def test_a_clipped_box_is_kept_whole_for_ap(yolo):
    (first,) = read_dataset(yolo("0 0 0.5 0.5 0.5"), "train")[0].objects
    assert (first.box, first.annotated) == ((0, 16, 24, 48), (-24, 16, 48, 32, 48 * 32))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("2 0.5 0.5 0.1 0.5", ["class 2"]),
        ("-1 0.5 0.5 0.1 0.5", ["class -1"]),
        ("inf 0.5 0.5 0.1 0.5", ["class inf"]),
        ("0.5 0.5 0.5 0.1 0.5", ["class 0.5"]),
        ("0 0.5 0.5 0.1", ["4 values"]),
        ("0 0.5 0.5 0.1 0.5 1.9", ["6 values"]),
        ("0 a b c d", ["numbers"]),
        ("0 48 32 10 10", ["fractions"]),
    ],
)
def test_a_line_of_another_form_is_refused(yolo, line, words):
    with pytest.raises(AnnotationError) as caught:
        read_dataset(yolo(line), "train")
    for word in ["0.txt", "line 1", *words]:
        assert word in str(caught.value)


def test_a_label_file_that_is_no_text_leaves_its_image_out(yolo):
    root = yolo(LINE, LINE)
    (root / "labels/train/1.txt").write_bytes(b"\x89PNG\x00\x01")
    dataset = read_dataset(root, "train")
    assert len(dataset) == 1
    assert dataset.report.counts == {ProblemKind.BAD_LABELS: 1}


def test_list_files_stay_inside_the_folder(yolo):
    root = yolo(LINE, LINE, train="train.txt")
    (root / "train.txt").write_text("./images/train/0.jpg\nimages/train/0.jpg\nimages/train/gone.jpg\n")
    dataset = read_dataset(root, "train")
    assert len(dataset) == 1
    assert dataset.report.counts == {ProblemKind.REPEATED_PICTURE: 1, ProblemKind.MISSING_PICTURE: 1}
    (root / "train.txt").write_text("../../outside.jpg\n")
    with pytest.raises(AnnotationError, match="outside"):
        read_dataset(root, "train")


def test_exports_with_dot_dot_are_understood_and_reported(yolo):
    dataset = read_dataset(yolo(LINE, train="../images/train"), "train")
    assert len(dataset) == 1
    assert dataset.report.counts == {ProblemKind.CONVERTED_NAME: 1}


def test_a_path_of_another_machine_falls_back_to_the_folder(yolo):
    dataset = read_dataset(yolo(LINE, path="/content/nowhere"), "train")
    assert dataset.report.counts == {ProblemKind.CONVERTED_NAME: 1}


def test_a_path_elsewhere_is_followed_only_if_the_yaml_file_was_given(yolo, tmp_path):
    root = yolo(LINE)
    other = tmp_path / "other"
    other.mkdir()
    (other / "data.yaml").write_text(yaml.safe_dump({"path": str(root), "train": "images/train", "names": ["a", "b"]}))
    assert len(read_dataset(other / "data.yaml", "train")) == 1
    with pytest.raises(DataError):
        read_dataset(other, "train")


def test_images_elsewhere_have_names_and_can_be_read_from_where_the_file_is(yolo, tmp_path):
    root = yolo(LINE)
    content = {"train": str(root / "images/train"), "val": "../yolo/images/val", "names": ["a", "b"]}
    path = tmp_path / "other/data.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(content))
    splits = read_splits(path)
    assert splits["train"].name_of(splits["train"][0]) == "yolo/images/train/0.jpg"
    assert len(splits["val"].fingerprint()) == 64


def test_a_folder_without_images_is_named(yolo):
    root = yolo(LINE)
    (root / "images/train/0.jpg").unlink()
    with pytest.raises(DataError, match="images/train: holds no image"):
        read_dataset(root, "train")


def test_sparse_class_numbers_become_contiguous(yolo):
    root = yolo("7 0.5 0.5 0.25 0.5\n", names=())
    content = {"train": "images/train", "names": {7: "dog", 3: "cat"}}
    (root / "data.yaml").write_text(yaml.safe_dump(content))
    dataset = read_dataset(root)
    assert (dataset.classes.names, dataset.classes.source_ids) == (("cat", "dog"), (3, 7))
    assert dataset[0].objects[0].label == 1


@pytest.mark.parametrize("field", [{"names": "cat"}, {"names": []}, {"nc": 5}, {"train": 3}, {"names": [["a"], "b"]}])
def test_a_field_of_another_kind_is_refused(yolo, field):
    with pytest.raises(DataError, match=r"data\.yaml"):
        read_dataset(yolo(LINE, **field), "train") if "names" not in field else _with_names(yolo, field)


def _with_names(yolo, field):
    root = yolo(LINE)
    (root / "data.yaml").write_text(yaml.safe_dump({"train": "images/train", **field}))
    return read_dataset(root, "train")


def test_aliases_are_not_expanded(yolo):
    root = yolo(LINE)
    (root / "data.yaml").write_text("a: &a [x, x]\nnames: [*a, *a]\ntrain: images\n")
    with pytest.raises(AnnotationError, match=r"aliases \(\*\) are not read"):
        read_dataset(root)


def test_folders_without_yaml_need_class_names(yolo):
    root = yolo(LINE)
    (root / "data.yaml").unlink()
    with pytest.raises(DataError, match="expected COCO"):
        layout_of(root)
    (root / "classes.txt").write_text("cat\ndog\n")
    assert layout_of(root).names == ["train", "val"]
    assert read_dataset(root, "val").classes.names == ("cat", "dog")
