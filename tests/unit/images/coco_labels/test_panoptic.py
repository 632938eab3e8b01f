import numpy as np
import pytest
from PIL import Image

from condetr.core.errors import AnnotationError, ImageError
from condetr.images.coco_labels.panoptic import panoptic_labels

SIZE = (6, 8)


@pytest.fixture
def folder(tmp_path):
    ids = np.full(SIZE, 300)
    ids[1:3, 2:6] = 70_000
    png = np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)
    Image.fromarray(png).save(tmp_path / "a.png")
    Image.fromarray(png[..., 0]).save(tmp_path / "gray.png")
    return tmp_path


def annotation(**changes):
    segments = [
        {"id": 300, "category_id": 9, "iscrowd": 0, "area": 40},
        {"id": 70_000, "category_id": 2, "iscrowd": 1, "area": 8},
    ]
    return {"image_id": 7, "file_name": "a.png", "segments_info": segments} | changes


def test_labels_of_two_segments(folder):
    labels = panoptic_labels(annotation(), SIZE, folder)
    assert {name: values.tolist() for name, values in labels.items() if name != "masks"} == {
        "image_id": [7],
        "class_labels": [9, 2],
        "boxes": [[0, 0, 7, 5], [2, 1, 5, 2]],
        "area": [40, 8],
        "iscrowd": [0, 1],
        "size": [6, 8],
        "orig_size": [6, 8],
    }
    assert labels["masks"].sum((1, 2)).tolist() == [40, 8]


def test_masks_are_left_out_on_request(folder):
    assert "masks" not in panoptic_labels(annotation(), SIZE, str(folder), masks=False)


def test_an_id_may_name_the_image_and_area_and_crowd_may_be_missing(folder):
    stored = annotation(segments_info=[{"id": 70_000, "category_id": 2}])
    stored["id"] = stored.pop("image_id")
    labels = panoptic_labels(stored, SIZE, folder)
    assert labels["image_id"].tolist() == [7]
    assert labels["area"].tolist() == [8]
    assert labels["iscrowd"].tolist() == [0]


def test_an_image_without_segments_has_empty_labels(folder):
    labels = panoptic_labels(annotation(segments_info=[]), SIZE, folder)
    assert labels["boxes"].shape == (0, 4)
    assert labels["masks"].shape == (0, 6, 8)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"file_name": "../a.png"}, "outside"),
        ({"file_name": "/etc/passwd"}, "outside"),
        ({"file_name": None}, "expected a file name"),
        ({"file_name": "gray.png"}, "mode L, expected RGB"),
        ({"segments_info": [{"id": 5, "category_id": 1}]}, "segment 5: has no pixel"),
        ({"segments_info": [{"id": 300}]}, "segment 300: has no category_id"),
        ({"segments_info": [{"category_id": 1}]}, "segment 0: has no id"),
        ({"segments_info": [3]}, "segment 0: is 3, expected an object"),
        ({"image_id": "a"}, "image_id 'a'"),
    ],
)
def test_what_is_wrong_is_named(folder, changes, says):
    with pytest.raises(AnnotationError, match=says):
        panoptic_labels(annotation(**changes), SIZE, folder)


def test_a_map_of_another_size_is_refused(folder):
    with pytest.raises(AnnotationError, match=r"\(6, 8\) .* expected the image's \(5, 8\)"):
        panoptic_labels(annotation(), (5, 8), folder)


def test_a_missing_map_is_named(folder):
    with pytest.raises(ImageError, match=r"b\.png: cannot be read"):
        panoptic_labels(annotation(file_name="b.png"), SIZE, folder)


def test_a_link_may_not_lead_out_of_the_folder(folder, tmp_path_factory):
    (folder / "link.png").symlink_to(tmp_path_factory.mktemp("other") / "a.png")
    with pytest.raises(AnnotationError, match="outside"):
        panoptic_labels(annotation(file_name="link.png"), SIZE, folder)
    (folder / "sub").mkdir()
    assert panoptic_labels(annotation(file_name="sub/../a.png"), SIZE, folder)
