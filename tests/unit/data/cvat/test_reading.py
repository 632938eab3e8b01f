"""CVAT's XML as its documentation and its exports write it."""

import pytest

from condetr.core.errors import AnnotationError
from condetr.data.discovery.formats import layout_of, read_dataset
from tests.unit.data.checking import check
from tests.unit.data.conftest import image
from tests.unit.data.layouts import write
from tests.unit.data.tools.reading import found, mask_areas, messages

LABELS = "".join(f"<label><name>{name}</name><type>any</type><attributes/></label>" for name in ("cup", "hand"))
BOX = '<box label="cup" source="manual" occluded="0" xtl="10" ytl="5" xbr="30" ybr="25" z_order="0"></box>'


def xml(images, labels=LABELS, owner="task"):
    meta = f"<meta><{owner}><id>3</id><labels>{labels}</labels></{owner}><dumped>2026-01-01</dumped></meta>"
    return f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>{meta}{images}</annotations>'


def one(shapes, name="a.jpg", more=""):
    return f'<image id="0" name="{name}" {more} width="60" height="40">{shapes}</image>'


@pytest.fixture
def folder(tmp_path):
    image(tmp_path / "images/a.jpg", (60, 40))
    image(tmp_path / "images/b.jpg", (60, 40), seed=1)
    return tmp_path


def test_boxes_of_labels_in_their_declared_order(folder):
    second = one(BOX.replace("cup", "hand").replace('occluded="0"', 'occluded="1"'), name="b.jpg")
    write(folder / "annotations.xml", xml(one(BOX) + second, labels=LABELS + LABELS.replace("cup", "unused")))
    objects, problems = found(folder)
    assert objects == {"all": {"images/a.jpg": [("cup", (10, 5, 30, 25))], "images/b.jpg": [("hand", (10, 5, 30, 25))]}}
    dataset = read_dataset(folder)
    assert dataset.classes.names == ("cup", "hand", "unused")
    assert [example.objects[0].marks for example in dataset] == [(), ("occluded",)]
    assert set(problems) == {"unused_class"}
    image(folder / "more/c.jpg", (60, 40), seed=3)
    write(folder / "images/.ipynb_checkpoints/a-checkpoint.jpg", "")
    objects, problems = found(folder)
    assert len(objects["all"]) == 2
    assert (problems["no_split"], problems["hidden"]) == (1, 1)
    assert layout_of(folder).format == layout_of(folder / "annotations.xml").format == "cvat"


def test_every_shape_is_read_or_counted(folder):
    shapes = (
        '<polygon label="cup" occluded="0" points="10,10;30,10;30,30;10,30"/>'
        '<box label="cup" xtl="10" ytl="10" xbr="30" ybr="20" rotation="90.0"/>'
        '<ellipse label="cup" cx="30" cy="20" rx="10" ry="5"/>'
        '<mask label="hand" rle="1, 4, 1" left="20" top="10" width="3" height="2"/>'
        '<cuboid label="hand" xtl1="1" ytl1="2" xbl1="1" ybl1="9" xtr1="8" ytr1="2" xbr1="8" ybr1="9"'
        ' xtl2="3" ytl2="1" xbl2="3" ybl2="8" xtr2="11" ytr2="1" xbr2="11" ybr2="8"/>'
        '<skeleton label="hand"><points label="1" outside="0" points="5,5"/><points label="2" outside="1"'
        ' points="0,0"/><points label="3" outside="0" points="15,25"/></skeleton>'
        '<points label="cup" points="3,3;4,4"/><polyline label="cup" points="1,1;2,2"/><tag label="cup"/>'
    )
    write(folder / "annotations.xml", xml(one(shapes)))
    objects, problems = found(folder)
    assert objects["all"]["images/a.jpg"] == [
        ("cup", (10, 10, 30, 30)),
        ("cup", (15, 5, 25, 25)),
        ("cup", (20, 15, 40, 25)),
        ("hand", (20, 10, 23, 12)),
        ("hand", (1, 1, 11, 9)),
        ("hand", (5, 5, 15, 25)),
    ]
    expected = {"no_object": 3, "box_of_outline": 3, "oriented_box": 1, "box_of_keypoints": 1}
    assert {code: problems[code] for code in expected} == expected


def test_masks_of_outlines_and_run_lengths(folder):
    shapes = (
        '<polygon label="cup" points="10,10;30,10;30,30;10,30"/>'
        '<mask label="hand" rle="1, 4, 1" left="20" top="10" width="3" height="2"/>'
        '<mask label="hand" rle="0, 6" left="58" top="39" width="3" height="2"/>'
    )
    write(folder / "annotations.xml", xml(one(shapes + BOX)))
    assert mask_areas(folder) == {"images/a.jpg": [400, 4, 2]}
    problems = found(folder, masks=True)[1]
    assert problems["bad_segmentation"] == 1  # a box has no mask


def test_subsets_are_splits_and_decide_between_images_of_one_name(tmp_path):
    for number, subset in enumerate(("Train", "Validation")):
        image(tmp_path / f"images/{subset}/a.jpg", (60, 40), seed=number)
    parts = (
        one(BOX * (number + 1), more=f'subset="{subset}"') for number, subset in enumerate(("Train", "Validation"))
    )
    write(tmp_path / "annotations.xml", xml("".join(parts), owner="project"))
    objects, _ = found(tmp_path)
    assert {split: {name: len(some) for name, some in images.items()} for split, images in objects.items()} == {
        "train": {"images/Train/a.jpg": 1},
        "val": {"images/Validation/a.jpg": 2},
    }


def test_names_of_another_machine_are_found_by_their_end(folder):
    image(folder / "images/cam2/a.jpg", (60, 40), seed=2)
    text = xml(one(BOX, name="C:\\data\\cam2\\a.jpg") + one(BOX, name="/home/ann/b.jpg") + one(BOX, name="gone.jpg"))
    write(folder / "annotations.xml", text)
    objects, problems = found(folder)
    assert list(objects["all"]) == ["images/cam2/a.jpg", "images/b.jpg"]
    assert (problems["converted_name"], problems["missing_picture"]) == (2, 1)


def test_two_images_of_one_name_that_nothing_tells_apart_are_left_out(tmp_path):
    for number in (1, 2):
        image(tmp_path / f"cam{number}/a.jpg", (60, 40), seed=number)
    write(tmp_path / "annotations.xml", xml(one(BOX) + one(BOX, name="cam2/a.jpg")))
    objects, problems = found(tmp_path)
    assert list(objects["all"]) == ["cam2/a.jpg"]
    assert problems["missing_picture"] == 1
    assert any("could be any of 2" in message for message in messages(tmp_path))


def test_tracks_of_a_video_are_read_frame_by_frame(tmp_path):
    for frame in range(3):
        image(tmp_path / f"images/frame_{frame:06d}.PNG", (60, 40), seed=frame)
    boxes = "".join(
        f'<box frame="{frame}" outside="{outside}" occluded="0" keyframe="1" xtl="{frame}" ytl="2" xbr="20" ybr="30"/>'
        for frame, outside in ((0, 0), (1, 0), (2, 1))
    )
    write(tmp_path / "annotations.xml", xml(f'<track id="0" label="cup" source="manual">{boxes}</track>'))
    assert found(tmp_path)[0]["all"] == {
        "images/frame_000000.PNG": [("cup", (0, 2, 20, 30))],
        "images/frame_000001.PNG": [("cup", (1, 2, 20, 30))],
        "images/frame_000002.PNG": [],
    }


def test_attributes_are_counted_and_wrong_sizes_noted(folder):
    box = BOX.replace("></box>", '><attribute name="color">red</attribute></box>')
    write(folder / "annotations.xml", xml(one(box).replace('width="60"', 'width="600"')))
    problems = found(folder)[1]
    assert (problems["attributes"], problems["wrong_size"]) == (1, 1)


WRONG = {
    "not_finite_box": BOX.replace('"10"', '"nan"'),
    "bad_field": BOX.replace('"10"', '"ten"'),
    "unknown_category": BOX.replace('"cup"', '"plate"'),
    "no_class": BOX.replace('label="cup"', ""),
    "outside_box": BOX.replace('"10"', '"110"').replace('"30"', '"130"'),
    "empty_box": BOX.replace('"10"', '"40"'),
    "bad_segmentation": '<mask label="cup" rle="1,2" left="0" top="0" width="2" height="2"/>',
}


@pytest.mark.parametrize("code", WRONG)
def test_what_is_wrong_is_left_out_or_refused(folder, code):
    write(folder / "annotations.xml", xml(one(WRONG[code] + BOX)))
    objects, problems = found(folder)
    assert problems[code] == 1
    assert objects["all"]["images/a.jpg"] == [("cup", (10, 5, 30, 25))]


def test_no_object_at_all_is_an_error(folder):
    write(folder / "annotations.xml", xml(one('<points label="cup" points="3,3"/>')))
    report = check(folder)[1]
    with pytest.raises(AnnotationError, match=r"nothing to train on.*points"):
        report.refuse()
    write(folder / "annotations.xml", "<annotations><image name='a.jpg'>")
    with pytest.raises(AnnotationError, match=r"not valid XML"):
        layout_of(folder)
