"""Files that lie around, are written in other encodings or with malice: passed over, read where certain, or refused."""

import json

import pytest

from condetr.core.errors import DataError
from condetr.data.checks.problems import Outcome, ProblemKind
from condetr.data.discovery.formats import layout_of, read_dataset, read_splits
from tests.unit.data.checking import check
from tests.unit.data.layouts import (
    LAYOUTS,
    coco,
    coco_file,
    described,
    images,
    voc_beside,
    voc_labels,
    write,
    yolo,
    yolo_class_file,
    yolo_labels,
    yolo_lists,
)

FOREIGN = {
    "docker-compose.yml": "x-common: &common\n  restart: always\nservices:\n  a:\n    <<: *common\n",
    "mkdocs.yml": "site_name: x\nmarkdown_extensions:\n  - x: !!python/name:materialx.emoji.twemoji\n",
    "dvc.yaml": "stages:\n  train:\n    cmd: ${python} train.py\n    deps: [!ENV data]\n",
    "two.yaml": "a: 1\n---\nb: 2\n",
    "broken.yaml": "a: [1, 2\nb: }\n\t- x",
    "latin.yaml": "stra\xdfe: 1",
    "notes.json": '{"categories": [], "info": {}}',
    "package.json": '{"name": "x", "images": ["a.png"]}',
    "damaged.json": '{"annotations": ',
    ".hidden.yaml": "names: [x]\ntrain: nowhere\n",
    "._data.yaml": "\0\5",
    "pom.xml": "<project><name>x</name></project>",
}


@pytest.mark.parametrize("layout", [item for item in LAYOUTS if not item.__name__.startswith("described")])
def test_files_of_other_programs_are_not_read(tmp_path, layout):
    target = layout(tmp_path)
    expected = {split: dataset.fingerprint() for split, dataset in read_splits(target).items()}
    for name, text in FOREIGN.items():
        if not (tmp_path / name).exists():
            (tmp_path / name).write_bytes(text.encode("latin-1"))
    found = read_splits(target)
    assert {split: dataset.fingerprint() for split, dataset in found.items()} == expected
    assert not any(dataset.report.counts[ProblemKind.OTHER_FORMAT] for dataset in found.values())


def test_a_huge_file_is_not_read_to_find_out_what_it_is(tmp_path, monkeypatch):
    root = yolo(tmp_path)
    for name in ("dump.json", "dump.yaml", "dump.yml"):
        with (root / name).open("wb") as stream:
            stream.write(b'{"a": "' + b"x" * 70_000)
            stream.truncate(2**33)
    assert layout_of(root).format == "yolo"


NAMES = ["yes", "no", "010", "1e3", "null", "~", "0x10", "1_000", "2026-01-01", "12:30", ".inf", "off", "1.50", "True"]


def test_names_of_classes_stay_as_written(tmp_path):
    root = yolo(tmp_path)
    expected = tuple(NAMES)
    write(root / "data.yaml", f"train: images/train\nval: images/val\nnames: [{', '.join(NAMES)}]\n")
    assert read_dataset(root, "train").classes.names == expected
    table = "".join(f"  {i}: {name}\n" for i, name in enumerate(NAMES))
    write(root / "data.yaml", f"train: images/train\nval: images/val\ntest: null\nnames:\n{table}nc: {len(NAMES)}\n")
    assert read_dataset(root, "train").classes.names == expected
    part = "splits:\n  train: {images: images/train}\n"
    write(root / "parts.yaml", f"{part}names: [{', '.join(NAMES)}]\n")
    assert read_dataset(root / "parts.yaml", "train").classes.names == expected


KINDS = {
    "names": [
        "!!bool x",
        '!!int ""',
        "!!timestamp x",
        "[!!float y, cat]",
        "{!!bool x: cat}",
        "&a [*a]",
        "!ENV x",
        "[cat, ]x",
    ],
    "nc": ["9" * 400, "9" * 5000, "-1", "[2]", "!!int 1e", "2.0"],
    "path": ['"\\0"', "x" * 300, "x/" * 3000, "[1]", "{}", "!!binary ="],
    "train": ['"\\0"', "x" * 300, "x/" * 3000, "{}", "[[]]", "!!timestamp x", "!!null x", '"\\ud800"', "9" * 400],
    "kpt_shape": ["[2]", "!!bool x", "[" + "9" * 400 + ", 2]", "[" + "9" * 5000 + ", 2]"],
    "names, text": ['["\\ud800", a]', "[[], []]", "[a, {}]", '["", b]', "[" * 200 + "]" * 200],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in KINDS.items() for value in values])
def test_values_of_another_kind_are_refused_with_a_reason(tmp_path, field, value):
    root = yolo(tmp_path)
    table = {
        "path": ".",
        "train": "images/train",
        "val": "images/val",
        "names": "[cat, dog]",
        field.split(",")[0]: value,
    }
    write(root / "data.yaml", "".join(f"{key}: {text}\n" for key, text in table.items()))
    for path in (root, root / "data.yaml"):
        if field == "path":
            read_dataset(path, "train")  # told, and taken as the folder of the file
            continue
        with pytest.raises(DataError) as caught:
            read_dataset(path, "train")
        assert caught.value.exit_status == 3
        assert len(str(caught.value)) < 12_000


@pytest.mark.parametrize("line", ["x" * 300 + ".jpg", "a\u2028b.jpg", "\ufeff", "gone.jpg"])
def test_lines_of_lists_that_name_no_image(tmp_path, line):
    root = yolo_lists(tmp_path)
    (root / "train.txt").write_text(f"images/train/t0.jpg\n{line}\n", encoding="utf-8")
    splits, report = check(root)
    assert report.counts[ProblemKind.MISSING_PICTURE] == 1
    assert len(splits["train"]) == 1


@pytest.mark.parametrize("line", ["\0", "../" * 50 + "x.jpg", "/etc/passwd"])
def test_lines_of_lists_that_mean_harm(tmp_path, line):
    root = yolo_lists(tmp_path)
    (root / "train.txt").write_text(f"images/train/t0.jpg\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"NUL|outside"):
        read_dataset(root, "train")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_are_read_where_they_are_certain(tmp_path, encoding):
    for layout, names in (
        (yolo, ["data.yaml", "labels/train/t0.txt"]),
        (yolo_class_file, ["classes.txt"]),
        (yolo_lists, ["train.txt"]),
        (coco_file, ["labels.json"]),
        (described, ["parts.yaml"]),
    ):
        target = layout(tmp_path / layout.__name__)
        expected = {split: dataset.fingerprint() for split, dataset in read_splits(target).items()}
        for name in names:
            path = tmp_path / layout.__name__ / name
            path.write_bytes(path.read_text().encode(encoding))
        assert {split: dataset.fingerprint() for split, dataset in read_splits(target).items()} == expected


def test_xml_declares_its_encoding(tmp_path):
    root = voc_beside(tmp_path)
    path = root / "train/t0.xml"
    text = path.read_text().replace("cat", "caf\xe9")
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_bytes(text.encode(encoding))
        assert read_dataset(root, "train").classes.names == ("café", "cat", "dog")
    path.write_bytes(f'<?xml version="1.0" encoding="latin-1"?>{text}'.encode("latin-1"))
    assert read_dataset(root, "train").classes.names == ("café", "cat", "dog")
    path.write_bytes(text.encode("latin-1"))
    assert read_dataset(root, "train").report.counts == {ProblemKind.BAD_LABELS: 1}


@pytest.mark.parametrize("name", ["classes.txt", "data.yaml", "train.txt"])
def test_ambiguous_encodings_are_refused_with_a_hint(tmp_path, name):
    root = yolo_lists(tmp_path)
    if name == "classes.txt":
        (root / "data.yaml").unlink()
        write(root / name, "cat\ndog")
    path = root / name
    path.write_bytes(path.read_text().replace("cat", "caf\xe9").replace("t0", "\xe90").encode("latin-1"))
    with pytest.raises(DataError, match="save it as UTF-8"):
        read_dataset(root, "train")


def test_empty_lines_among_class_names_are_refused(tmp_path):
    root = yolo_class_file(tmp_path)
    write(root / "classes.txt", "cat\n\ndog\n")
    with pytest.raises(DataError, match=r"classes\.txt: line 2"):
        read_dataset(root, "train")
    write(root / "classes.txt", " \n\n")
    with pytest.raises(DataError, match="no class name"):
        read_dataset(root, "train")


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (lambda content: content["annotations"][0].update(bbox=[float("nan"), 1, 2, 3]), Outcome.LEFT_OUT),
        (lambda content: content["annotations"][0].update(bbox=[1, 2, float("inf"), 3]), Outcome.LEFT_OUT),
        (lambda content: content["annotations"][0].update(bbox=[1, 2, 10**400, 3]), Outcome.LEFT_OUT),
        (lambda content: content["annotations"][0].update(bbox=[True, 2, 3, 3]), Outcome.REFUSED),
        (lambda content: content["annotations"][0].update(id=10**400), Outcome.REFUSED),
        (lambda content: content["annotations"][0].update(iscrowd=[]), Outcome.REFUSED),
        (lambda content: content["annotations"][0].update(iscrowd={}), Outcome.REFUSED),
        (lambda content: content["images"][0].update(id=float("nan")), Outcome.REFUSED),
        (lambda content: content["images"][0].update(file_name="\ud800.jpg"), Outcome.LEFT_OUT),
        (lambda content: content["images"][0].update(file_name="x" * 300), Outcome.LEFT_OUT),
        (lambda content: content["categories"][0].update(name="\ud800"), Outcome.REFUSED),
        (lambda content: content["categories"][0].update(id=False), Outcome.REFUSED),
    ],
)
def test_json_values_of_another_kind(tmp_path, change, outcome):
    path = coco_file(tmp_path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    _, report = check(path)
    assert report.count_of(outcome)
    assert all(ord(char) < 0xD800 for char in str(report))


@pytest.mark.parametrize("value", [None, "", "0", "0.0", " 0 ", float("nan"), "false"])
def test_iscrowd_as_tables_export_it(tmp_path, value):
    path = coco_file(tmp_path)
    content = json.loads(path.read_text())
    content["annotations"][0]["iscrowd"] = value
    path.write_text(json.dumps(content))
    dataset = read_dataset(path)
    assert sum(len(example.objects) for example in dataset) == 2
    assert dataset.report.counts == {ProblemKind.CONVERTED_FIELD: 1}


@pytest.mark.parametrize("text", ["1 1 true", '"1"', "true"])
def test_iscrowd_as_text_for_one(tmp_path, text):
    path = coco_file(tmp_path)
    content = json.loads(path.read_text())
    content["annotations"][0]["iscrowd"] = {"1 1 true": " 1 ", '"1"': "1", "true": "True"}[text]
    path.write_text(json.dumps(content))
    assert sum(len(example.crowds) for example in read_dataset(path)) == 1


def test_lvis_names_its_images_by_url_and_does_not_label_everything(tmp_path):
    root = coco(tmp_path)
    path = root / "annotations/instances_train2017.json"
    content = json.loads(path.read_text())
    for image in content["images"]:
        image["coco_url"] = f"http://images.cocodataset.org/train2017/{image.pop('file_name')}"
        image |= {"neg_category_ids": [2], "not_exhaustive_category_ids": []}
    text = json.dumps({"categories": content.pop("categories"), "info": {}, **content})
    path.unlink()
    (root / "lvis_v1_train.json").write_text(text)
    dataset = read_dataset(root / "lvis_v1_train.json")
    assert sum(len(example.objects) for example in dataset) == 2
    assert dataset.report.counts == {ProblemKind.CONVERTED_NAME: 2, ProblemKind.NOT_EXHAUSTIVE: 2}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ({"splits": {}}, "splits: is empty"),
        ({"splits": {"train": {"images": "\0"}}}, "no possible file name"),
        ({"splits": {"train": {"images": "x" * 300}}}, "too long"),
        ({"splits": {"val": {"images": "."}, "valid": {"images": "."}}, "names": ["a"]}, "more than one"),
        ({"splits": {"train": {"images": ["."]}}, "names": ["a"]}, "does not exist"),
    ],
)
def test_descriptions_of_another_kind(tmp_path, text, words):
    path = write(tmp_path / "parts.json", json.dumps(text))
    with pytest.raises(DataError, match=words):
        read_splits(path)


def test_a_description_may_name_a_missing_split(tmp_path):
    path = described(tmp_path)
    path.write_text(path.read_text() + "  test: {annotations: gone.json, images: c/train2017}\n")
    assert set(read_splits(path)) == {"train", "val"}
    assert check(path)[1].counts == {ProblemKind.MISSING_SPLIT: 1}


def test_two_folders_of_one_split_are_not_one_lost(tmp_path):
    root = voc_beside(tmp_path)
    voc_beside(tmp_path / "other")
    (tmp_path / "other/val").rename(root / "valid")
    with pytest.raises(DataError, match="more than one"):
        read_splits(root)


def test_xml_of_another_kind_is_no_empty_image(tmp_path):
    root = voc_beside(tmp_path)
    text = (root / "train/t0.xml").read_text()
    write(root / "train/t0.xml", text.replace("<annotation>", '<annotation xmlns="http://x">'))
    assert sum(len(example.objects) for example in read_dataset(root, "train")) == 2, "a name space changes nothing"
    write(root / "train/t0.xml", text.replace("annotation>", "annotations>"))
    assert read_dataset(root, "train").report.counts == {ProblemKind.BAD_LABELS: 1}


def test_image_sets_by_other_names(tmp_path):
    from tests.unit.data.layouts import voc

    root = voc(tmp_path)
    (root / "ImageSets/Main/val.txt").rename(root / "ImageSets/Main/Validation2012.txt")
    write(root / "ImageSets/Main/cat_train.txt", "t0 1\n")
    write(root / "ImageSets/Main/some.txt", "t0\n")
    write(root / "ImageSets/Main/train.txt", "t0.jpg\n t1  1\n")
    splits = read_splits(root)
    assert {split: len(dataset) for split, dataset in splits.items()} == {"train": 2, "val": 2}
    (unread,) = splits["train"].report
    assert (unread.kind, unread.source.rsplit("/", 1)[1]) == (ProblemKind.NO_SPLIT, "some.txt")


def test_an_image_with_labels_of_the_other_format_only_is_refused(tmp_path):
    """LabelImg, switched from Pascal VOC to YOLO halfway: one image has XML only, the other a text file only."""
    root = voc_beside(tmp_path) / "train"
    (root / "t0.xml").unlink()
    write(root / "t0.txt", "0 0.5 0.5 0.5 0.5\n")
    with pytest.raises(DataError, match=r"one that looks like YOLO's, such as .*t0\.txt"):
        read_dataset(root)
    write(root / "classes.txt", "cat\ndog\n")
    with pytest.raises(DataError, match=r"objects in Pascal VOC's, such as .*t1\.xml"):
        read_dataset(root)
    write(root / "t1.xml", "<annotation><filename>t1.jpg</filename></annotation>")
    assert len(read_dataset(root)) == 2, "without objects in either"


def test_images_that_share_a_label_file_are_reported(tmp_path):
    root = yolo(tmp_path)
    (root / "images/train/t0.png").write_bytes((root / "images/train/t0.jpg").read_bytes())
    (finding,) = read_dataset(root, "train").report.of(ProblemKind.SHARED_LABELS)
    assert finding.source == str(root / "labels/train/t0.txt")
    assert finding.message == "is used as the labels of each of t0.jpg, t0.png"


def test_folders_that_a_yaml_names_are_not_reported_as_unread(tmp_path):
    root = yolo(tmp_path / "set")
    for kind in ("images", "labels"):
        (root / "cam" / kind).parent.mkdir(exist_ok=True)
        (root / kind / "train").rename(root / "cam" / kind)
    write(root / "data.yaml", "names: [cat, dog]\ntrain: [cam/images]\nval: images/val\n")
    _, report = check(root)
    assert not report.of(ProblemKind.NO_SPLIT)
    yolo_labels(root / "val/labels", ("v0",))
    images(root / "val/images", ("v0",))
    _, report = check(root)
    assert [problem.message for problem in report.of(ProblemKind.NO_SPLIT)] == [
        "is not read: it holds labels, and val is another folder"
    ]


def test_folders_below_one_that_is_read_whole_are_not_reported_as_unread(tmp_path):
    for fold in ("fold0", "fold1"):
        images(tmp_path / fold / "images", (fold,))
        yolo_labels(tmp_path / fold / "labels", (fold,))
    write(tmp_path / "classes.txt", "cat\ncat\n")
    splits, report = check(tmp_path)
    assert len(splits["all"]) == 2
    assert splits["all"].classes.names == ("cat (0)", "cat")
    assert report.counts == {ProblemKind.DUPLICATE_NAME: 1, ProblemKind.UNUSED_CLASS: 1}


def test_lists_of_voc_in_another_place_are_reported(tmp_path):
    images(tmp_path / "images", ("a", "b"))
    voc_labels(tmp_path / "annotations", ("a", "b"))
    write(tmp_path / "train.txt", "a\n")
    write(tmp_path / "labelmap.txt", "cat\n")
    (problem,) = check(tmp_path)[1].of(ProblemKind.NO_SPLIT)
    assert (problem.source, problem.message) == (
        str(tmp_path / "train.txt"),
        "is not read: lists of splits are read in ImageSets/Main",
    )


@pytest.mark.parametrize("inner", ["VOC2012", "archive/dataset"])
def test_the_error_names_a_dataset_further_down(tmp_path, inner):
    voc_beside(tmp_path / inner)
    with pytest.raises(DataError) as caught:
        layout_of(tmp_path)
    assert caught.value.hint == f"but {tmp_path / inner} does: give that folder"
