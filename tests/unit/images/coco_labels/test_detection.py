import pytest
import torch

from condetr.core.errors import AnnotationError
from condetr.images.coco_labels.detection import detection_labels

SIZE = (60, 80)
SQUARE = [[5, 5, 25, 5, 25, 25, 5, 25]]


def annotation(*objects):
    return {"image_id": 7, "annotations": list(objects)}


def thing(**changes):
    return {
        "id": 4,
        "bbox": [5, 5, 20, 20],
        "category_id": 3,
        "area": 400,
        "iscrowd": 0,
        "segmentation": SQUARE,
    } | changes


def test_labels_of_one_object():
    labels = detection_labels(annotation(thing()), SIZE, masks=True)
    assert {name: values.tolist() for name, values in labels.items() if name != "masks"} == {
        "image_id": [7],
        "class_labels": [3],
        "boxes": [[5, 5, 25, 25]],
        "area": [400],
        "iscrowd": [0],
        "size": [60, 80],
        "orig_size": [60, 80],
    }
    assert labels["masks"].shape == (1, 60, 80)
    assert labels["masks"].sum() == 400


def test_crowds_and_boxes_outside_are_left_out_with_their_masks():
    crowd, outside, empty = thing(iscrowd=1, category_id=1), thing(bbox=[90, 5, 5, 5]), thing(bbox=[5, 5, 0, 9])
    labels = detection_labels(annotation(crowd, outside, thing(), empty), SIZE, masks=True)
    assert labels["class_labels"].tolist() == [3]
    assert len(labels["masks"]) == len(labels["area"]) == 1


def test_boxes_are_clipped_to_the_image():
    labels = detection_labels(annotation(thing(bbox=[-10, 50, 200, 200])), SIZE)
    assert labels["boxes"].tolist() == [[0, 50, 80, 60]]


def test_an_image_without_objects_has_empty_labels():
    labels = detection_labels(annotation(), SIZE, masks=True)
    assert {name: tuple(values.shape) for name, values in labels.items()} == {
        "image_id": (1,),
        "class_labels": (0,),
        "boxes": (0, 4),
        "area": (0,),
        "iscrowd": (0,),
        "size": (2,),
        "orig_size": (2,),
        "masks": (0, 60, 80),
    }


def test_a_missing_area_is_that_of_the_box():
    first = thing()
    del first["area"], first["iscrowd"]
    assert detection_labels(annotation(first), SIZE)["area"].tolist() == [400]


def test_keypoints_stay_with_their_object():
    crowd, kept, other = thing(iscrowd=1, keypoints=[9, 9, 9]), thing(keypoints=[1, 2, 2, 3, 4, 1]), thing()
    labels = detection_labels(annotation(crowd, kept, other, thing(keypoints=[5, 6, 2])), SIZE)
    assert labels["keypoints"].tolist() == [[[1, 2, 2], [3, 4, 1]], [[0, 0, 0]] * 2, [[5, 6, 2], [0, 0, 0]]]
    assert detection_labels(annotation(thing(keypoints=[])), SIZE)["keypoints"].shape == (1, 0, 3)


def test_run_lengths_make_masks_too():
    rle = {"size": [60, 80], "counts": [0, 60, 60 * 79]}
    assert detection_labels(annotation(thing(segmentation=rle)), SIZE, masks=True)["masks"][0].sum() == 60


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"bbox": [1, 2, 3, 4, 5]}, "expected 4 numbers"),
        ({"bbox": "1234"}, "expected 4 numbers"),
        ({"bbox": ["1", "2", "3", "4"]}, "finite number"),
        ({"bbox": [1, 2, float("inf"), 4]}, "finite number"),
        ({"bbox": None}, "expected 4 numbers"),
        ({"category_id": -1}, "category_id -1"),
        ({"category_id": "cat"}, "category_id 'cat'"),
        ({"category_id": 2**63}, "category_id"),
        ({"area": "big"}, "area 'big'"),
        ({"keypoints": [1, 2]}, "keypoints"),
        ({"keypoints": [1, 2, None]}, "keypoints None"),
        ({"segmentation": []}, "no polygon"),
        ({"segmentation": [[float("nan"), 1, 2, 3, 4, 5]]}, "not finite"),
        ({"segmentation": {"size": [60, 80], "counts": [-5, 10]}}, "negative"),
        ({"segmentation": None}, "NoneType"),
    ],
)
def test_what_is_wrong_is_named_by_annotation(changes, says):
    with pytest.raises(AnnotationError, match=f"annotation 4: .*{says}"):
        detection_labels(annotation(thing(**changes)), SIZE, masks=True)


@pytest.mark.parametrize("field", ["bbox", "category_id", "segmentation"])
def test_what_is_missing_is_named(field):
    first = thing()
    del first[field]
    with pytest.raises(AnnotationError, match=f"annotation 4: has no {field}"):
        detection_labels(annotation(first), SIZE, masks=True)


def test_an_annotation_without_an_id_is_named_by_its_place():
    with pytest.raises(AnnotationError, match="annotation 1: has no bbox"):
        detection_labels(annotation(thing(), {"category_id": 1}), SIZE)


@pytest.mark.parametrize(
    ("whole", "says"),
    [
        ({"annotations": []}, "has no image_id"),
        ({"image_id": 1}, "has no annotations"),
        ({"image_id": "a", "annotations": []}, "image_id 'a'"),
        ({"image_id": 2**63, "annotations": []}, "64 bits"),
        ({"image_id": 1, "annotations": {}}, "expected a list"),
        ({"image_id": 1, "annotations": [3]}, "annotation 0: is 3, expected an object"),
    ],
)
def test_an_annotation_of_another_form_is_refused(whole, says):
    with pytest.raises(AnnotationError, match=says):
        detection_labels(whole, SIZE)


def test_numbers_fit_their_tensors():
    labels = detection_labels(annotation(thing(category_id=2**62)), SIZE)
    assert labels["class_labels"].dtype == torch.int64
    assert labels["boxes"].dtype == labels["area"].dtype == torch.float32
