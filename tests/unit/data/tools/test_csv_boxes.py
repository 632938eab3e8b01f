"""CSV files of boxes as tools and competitions write them."""

import pytest

from condetr.core.errors import AnnotationError
from condetr.data.discovery.formats import layout_of
from tests.unit.data.checking import check
from tests.unit.data.conftest import image
from tests.unit.data.layouts import write
from tests.unit.data.tools.reading import found

HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


@pytest.fixture
def folder(tmp_path):
    image(tmp_path / "images/a.jpg", (60, 40))
    image(tmp_path / "images/b.jpg", (60, 40), seed=1)
    return tmp_path


FORMS = {
    "TensorFlow, Roboflow": HEADER + "a.jpg,60,40,cup,10,5,30,25\nb.jpg,60,40,,,,,\n",
    "VoTT": '"image","xmin","ymin","xmax","ymax","label"\n"a.jpg",10,5,30,25,"cup"\n"b.jpg",,,,,\n',
    "corners": "path,x1,y1,x2,y2,class_name\n/kaggle/input/a.jpg,10.0,5.0,30.0,25.0,cup\nb.jpg,,,,,\n",
    "sides": "image_id,x,y,w,h,label\na,10,5,20,20,cup\nb,,,,,\n",
    "a list": 'image_id,width,height,bbox,label\na,60,40,"[10.0, 5.0, 20.0, 20.0]",cup\nb,60,40,,\n',
}


@pytest.mark.parametrize("form", FORMS)
def test_columns_of_all_kinds(folder, form):
    file = write(folder / "train_labels.csv", "\ufeff" + FORMS[form].replace("\n", "\r\n"))
    assert found(folder)[0] == {"train": {"images/a.jpg": [("cup", (10, 5, 30, 25))], "images/b.jpg": []}}
    assert layout_of(folder).format == layout_of(file).format == "csv"


def test_without_a_class_all_are_objects(folder):
    write(folder / "boxes.csv", 'image_id,bbox\na,"[10, 5, 20, 20]"\na,"[0, 0, 5, 5]"\n')
    objects, problems = found(folder)
    assert objects["all"] == {"images/a.jpg": [("object", (10, 5, 30, 25)), ("object", (0, 0, 5, 5))]}
    assert problems["one_class"] == 1


def test_what_is_wrong_is_left_out_or_refused(folder):
    good = "a.jpg,60,40,cup,10,5,30,25\n"
    for code, row in (
        ("bad_field", "a.jpg,60,40,cup,x,5,30,25\n"),
        ("not_finite_box", "a.jpg,60,40,cup,nan,5,30,25\n"),
        ("no_class", "a.jpg,60,40,,10,5,30,25\n"),
        ("missing_picture", "c.jpg,60,40,cup,10,5,30,25\n"),
        ("empty_box", "a.jpg,60,40,cup,10,5,10,25\n"),
    ):
        write(folder / "boxes.csv", HEADER + row + good)
        objects, problems = found(folder)
        assert problems[code] == 1, row
        assert objects["all"]["images/a.jpg"] == [("cup", (10, 5, 30, 25))]
    write(folder / "boxes.csv", 'image_id,bbox\na,"[1, 2]"\n')
    assert found(folder)[1]["bad_field"] == 1
    write(folder / "boxes.csv", HEADER + "a.jpg,60,40,cup,0.1,0.1,0.5,0.5\n")
    with pytest.raises(AnnotationError, match=r"fractions of the image"):
        check(folder)[1].refuse()


def test_other_tables_are_no_labels(folder):
    write(folder / "prices.csv", "name,price\ncup,3\n")
    write(folder / "boxes.csv", HEADER + "a.jpg,60,40,cup,10,5,30,25\n")
    assert len(found(folder)[0]["all"]["images/a.jpg"]) == 1
