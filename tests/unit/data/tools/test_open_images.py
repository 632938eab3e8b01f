"""Open Images CSV as its download page describes it."""

import pytest

from condetr.core.errors import AnnotationError
from condetr.data.discovery.formats import layout_of, read_dataset
from tests.unit.data.checking import check
from tests.unit.data.conftest import image
from tests.unit.data.layouts import write
from tests.unit.data.tools.reading import found

HEADER = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
)
NAMES = '/m/011k07,Tortoise\n/m/0abc,"Cup, tea"\n/m/01g317,Person\n'


def row(image_id="a1", label="/m/01g317", box="0.25,0.75,0.1,0.6", flags="0,0,0,0,0"):
    return f"{image_id},xclick,{label},1,{box},{flags}\n"


@pytest.fixture
def folder(tmp_path):
    image(tmp_path / "train/a1.jpg", (40, 20))
    image(tmp_path / "train/b2.jpg", (40, 20), seed=1)
    image(tmp_path / "validation/c3.jpg", (40, 20), seed=2)
    write(tmp_path / "class-descriptions-boxable.csv", NAMES)
    write(tmp_path / "validation-annotations-bbox.csv", HEADER + row("c3", "/m/0abc"))
    return tmp_path


def test_fractions_groups_and_names(folder):
    rows = row() + row(flags="0,0,1,0,0") + row(label="/m/0abc", flags="1,1,0,0,1") + row("zz")
    write(folder / "oidv6-train-annotations-bbox.csv", HEADER + rows)
    objects, problems = found(folder)
    box = (10, 2, 30, 12)
    assert objects == {
        "train": {"train/a1.jpg": [("Person", box), ("Cup, tea", box)]},
        "val": {"validation/c3.jpg": [("Cup, tea", box)]},
    }
    dataset = read_dataset(folder, "train")
    assert dataset.classes.names == ("Cup, tea", "Person")
    assert len(dataset[0].crowds) == 1
    assert dataset[0].objects[1].marks == ("truncated", "occluded")
    assert (problems["missing_picture"], problems["missing_labels"], problems["attributes"]) == (1, 1, 1)
    file = folder / "oidv6-train-annotations-bbox.csv"
    assert layout_of(folder).format == layout_of(file).format == "open-images"


def test_descriptions_with_a_header_or_none(folder):
    write(folder / "oidv6-train-annotations-bbox.csv", HEADER + row() + row(label="/m/zz"))
    write(folder / "class-descriptions-boxable.csv", "LabelName,DisplayName\n/m/01g317,Person\n")
    assert read_dataset(folder, "train").classes.names == ("Person", "/m/0abc", "/m/zz")
    (folder / "class-descriptions-boxable.csv").unlink()
    assert read_dataset(folder, "train").classes.names == ("/m/01g317", "/m/0abc", "/m/zz")


def test_what_is_wrong_is_left_out_or_refused(folder):
    file = folder / "train-annotations-bbox.csv"
    for code, box in (("bad_field", "x,1,0,1"), ("not_normalised", "10,20,5,9"), ("empty_box", ".5,.5,0,1")):
        write(file, HEADER + row(box=box) + row())
        objects, problems = found(folder)
        assert problems[code] == 1, box
        assert len(objects["train"]["train/a1.jpg"]) == 1
    file.write_bytes(HEADER.encode() + row().encode().replace(b"xclick", b"\xe9"))
    with pytest.raises(AnnotationError, match=r"not UTF-8"):
        check(folder)[1].refuse()
    write(file, HEADER + row("zz"))
    with pytest.raises(AnnotationError, match=r"nothing to train on"):
        check(folder)[1].refuse()
