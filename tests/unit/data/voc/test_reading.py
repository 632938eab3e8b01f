import pytest

from condetr.core.errors import AnnotationError, UsageError
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.formats import layout_of, read_dataset, read_splits
from tests.unit.data.conftest import image

OBJECT = (
    "<object><name>{name}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)


def voc_object(*box, name="cat"):
    return OBJECT.format(*box, name=name)


def xml(*objects, filename="a.jpg", width=96, height=64, head=""):
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"<annotation>{head}<filename>{filename}</filename>{size}{''.join(objects)}</annotation>"


@pytest.fixture
def voc(tmp_path):
    """Writes a VOC folder with one label file for each name."""

    def write(lists=None, **labels):
        root = tmp_path / "voc"
        for i, (stem, text) in enumerate(labels.items()):
            image(root / f"JPEGImages/{stem}.jpg", seed=i)
            path = root / f"Annotations/{stem}.xml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        for split, listed in (lists or {}).items():
            path = root / f"ImageSets/Main/{split}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(listed)
        return root

    return write


def test_reads_boxes_as_they_are_and_classes_of_all_splits(voc):
    root = voc(
        {"train": "a\n", "val": "b  1\n", "cat_train": "a -1\n"},
        a=xml(voc_object(1, 2, 30, 40)),
        b=xml(voc_object(0, 0, 96, 64, name="ant"), filename="b.jpg"),
    )
    splits = read_splits(root)
    assert list(splits) == ["train", "val"]
    assert splits["train"].classes.names == splits["val"].classes.names == ("ant", "cat")
    assert splits["train"][0].objects[0].box == (1.0, 2.0, 30.0, 40.0)
    assert splits["train"][0].objects[0].label == 1
    assert splits["val"][0].objects[0].box == (0.0, 0.0, 96.0, 64.0)
    assert not splits["train"].report


def test_vocs_own_files_count_pixels_from_one(voc):
    head = "<source><database>The VOC2007 Database</database></source>"
    dataset = read_dataset(voc(a=xml(voc_object(1, 1, 96, 64), head=head)))
    assert dataset[0].objects[0].box == (0.0, 0.0, 96.0, 64.0)


def test_a_clipped_box_is_kept_whole_for_ap(voc):
    (first,) = read_dataset(voc(a=xml(voc_object(-20, 2, 30, 40))))[0].objects
    assert (first.box, first.annotated) == ((0, 2, 30, 40), (-20, 2, 50, 38, 50 * 38))


def test_degenerate_boxes_are_left_out_by_object(voc):
    dataset = read_dataset(voc(a=xml(voc_object(1, 2, 30, 40), voc_object(5, 5, 5, 9), voc_object(9, 9, 8, 20))))
    assert len(dataset[0].objects) == 1
    assert dataset.report.counts == {ProblemKind.EMPTY_BOX: 2}
    assert [finding.item for finding in dataset.report] == ["object 2 ('cat')", "object 3 ('cat')"]


def test_parts_of_objects_are_no_objects(voc):
    body = voc_object(1, 2, 30, 40).replace(
        "</object>", "<part>" + voc_object(2, 2, 5, 5, name="head")[8:-9] + "</part></object>"
    )
    dataset = read_dataset(voc(a=xml(body)))
    assert dataset.classes.names == ("cat",)


def test_difficult_objects_are_kept_and_reported(voc):
    text = xml(voc_object(1, 2, 30, 40).replace("<bndbox>", "<difficult>1</difficult><bndbox>"))
    dataset = read_dataset(voc(a=text))
    assert len(dataset[0].objects) == 1
    assert dataset.report.counts == {ProblemKind.DIFFICULT: 1}


LAUGHS = '<!DOCTYPE a [<!ENTITY l "ha"><!ENTITY m "&l;&l;&l;&l;">]>'
READS = '<!DOCTYPE a [<!ENTITY l SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (LAUGHS + xml(voc_object(1, 2, 3, 4, name="&m;")), "DOCTYPE"),
        (READS + xml(voc_object(1, 2, 3, 4, name="&l;")), "DOCTYPE"),
        ((LAUGHS + xml()).encode("utf-16").decode("latin-1"), "DOCTYPE"),
        ("<annotation><object>", "not valid XML"),
        ("", "not valid XML"),
        ('<?xml version="1.0" encoding="no-such"?><annotation/>', "not valid XML"),
    ],
)
def test_a_hostile_label_file_is_left_out_with_its_image(voc, text, word):
    root = voc(a=xml(voc_object(1, 2, 30, 40)), b="")
    (root / "Annotations/b.xml").write_bytes(text.encode("latin-1"))
    dataset = read_dataset(root)
    assert len(dataset) == 1
    assert dataset.classes.names == ("cat",)
    assert dataset.report.counts == {ProblemKind.BAD_LABELS: 1}
    assert word in str(dataset.report)


@pytest.mark.parametrize(
    ("element", "words"),
    [
        ("<object><name>cat</name></object>", ["object 1", "bndbox"]),
        ("<object><name>cat</name><robndbox/></object>", ["bndbox", "robndbox"]),
        (voc_object(1, 2, 3, 4, name=""), ["object 1", "name"]),
        (voc_object("x", 2, 3, 4), ["xmin", "'x'"]),
        (voc_object("", 2, 3, 4), ["xmin"]),
    ],
)
def test_an_object_of_another_form_is_refused(voc, element, words):
    with pytest.raises(AnnotationError) as caught:
        read_dataset(voc(a=xml(element, voc_object(1, 2, 30, 40))))
    for word in ["a.xml", *words]:
        assert word in str(caught.value)


def test_missing_repeated_and_outside_lines_of_lists_are_reported(voc):
    root = voc({"train": "a\na\ngone\n\n"}, a=xml(voc_object(1, 2, 30, 40)))
    dataset = read_dataset(root)
    assert len(dataset) == 1
    assert dataset.report.counts == {ProblemKind.REPEATED_PICTURE: 1, ProblemKind.MISSING_LABELS: 1}
    (root / "ImageSets/Main/train.txt").write_text("../../../secret\n")
    with pytest.raises(AnnotationError, match="outside"):
        read_dataset(root)


def test_the_image_of_the_same_name_wins_over_filename(voc):
    root = voc(a=xml(voc_object(1, 2, 30, 40), filename="../../b.png"))
    dataset = read_dataset(root)
    assert dataset[0].path.name == "a.jpg"
    assert dataset.report.counts == {ProblemKind.OTHER_NAME: 1}
    (root / "JPEGImages/a.jpg").rename(root / "JPEGImages/other.jpg")
    (root / "Annotations/a.xml").write_text(xml(voc_object(1, 2, 30, 40), filename="other.jpg"))
    assert read_dataset(root)[0].path.name == "other.jpg"


def test_images_without_label_files_are_reported(voc):
    root = voc(a=xml(voc_object(1, 2, 30, 40)))
    image(root / "JPEGImages/x.jpg")
    assert read_dataset(root).report.counts == {ProblemKind.MISSING_LABELS: 1}


def test_a_wrong_size_is_reported(voc):
    dataset = read_dataset(voc(a=xml(voc_object(1, 2, 30, 40), width=0, height=0)))
    assert dataset[0].size == (64, 96)
    assert dataset.report.counts == {ProblemKind.WRONG_SIZE: 1}


def test_masks_are_not_in_this_format(voc):
    with pytest.raises(UsageError, match="boxes only"):
        read_dataset(voc(a=xml(voc_object(1, 2, 30, 40))), masks=True)


def test_xml_beside_images_in_a_folder_per_split(tmp_path):
    for split in ("train", "valid"):
        image(tmp_path / split / "a.jpg")
        (tmp_path / split / "a.xml").write_text(xml(voc_object(1, 2, 30, 40, name=split)))
    layout = layout_of(tmp_path)
    assert (layout.format, layout.names) == ("voc", ["train", "val"])
    assert read_dataset(tmp_path, "val").classes.names == ("train", "valid")


def test_the_parent_folder_is_understood(voc, tmp_path):
    root = voc(a=xml(voc_object(1, 2, 30, 40)))
    (tmp_path / "VOCdevkit").mkdir()
    root.rename(tmp_path / "VOCdevkit/VOC2012")
    assert len(read_dataset(tmp_path / "VOCdevkit")) == 1


def test_bccd_is_read_and_its_degenerate_boxes_found(shared):
    splits = read_splits(shared / "data/bccd")
    assert {split: len(dataset) for split, dataset in splits.items()} == {
        "train": 205,
        "val": 87,
        "test": 72,
        "trainval": 292,
    }
    assert splits["train"].classes.names == ("Platelets", "RBC", "WBC")
    assert {split: dict(dataset.report.counts) for split, dataset in splits.items()} == {
        "train": {ProblemKind.EMPTY_BOX: 1},
        "val": {ProblemKind.EMPTY_BOX: 1},
        "test": {},
        "trainval": {ProblemKind.EMPTY_BOX: 2},
    }


def test_images_of_one_name_in_two_folders_go_with_the_labels_of_their_folder(tmp_path):
    for number, cam in enumerate(("cam1", "cam2")):
        image(tmp_path / f"JPEGImages/{cam}/a.jpg", seed=number)
        path = tmp_path / f"Annotations/{cam}/a.xml"
        path.parent.mkdir(parents=True)
        path.write_text(xml(voc_object(1, 2, 30 + number, 40)))
    dataset = read_dataset(tmp_path)
    found = {dataset.name_of(example): example.objects[0].box[2] for example in dataset}
    assert found == {"cam1/a.jpg": 30, "cam2/a.jpg": 31}
