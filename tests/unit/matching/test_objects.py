import pytest
import torch

from condetr.core.errors import AnnotationError
from condetr.core.records import Target
from condetr.matching.objects import gather_objects

BOX = [0.5, 0.5, 0.2, 0.2]


def target(labels, boxes):
    return Target(torch.tensor(labels, dtype=torch.int64), torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4))


def gather(*targets, classes=3, dtype=torch.float32):
    return gather_objects(targets, classes, torch.zeros(1, dtype=dtype))


def test_images_stand_side_by_side():
    objects = gather(target([2], [BOX]), target([], []), target([0, 1], [[0.1] * 4, [0.2] * 4]))
    assert objects.counts == (1, 0, 2)
    assert objects.labels.tolist() == [[2, 0], [0, 0], [0, 1]]
    torch.testing.assert_close(objects.boxes[0, 0], torch.tensor(BOX))
    torch.testing.assert_close(objects.boxes[2, 1], torch.tensor([0.2] * 4))


def test_a_batch_of_empty_images_has_rows_of_nothing():
    objects = gather(target([], []), target([], []))
    assert objects.labels.shape == (2, 0)
    assert objects.boxes.shape == (2, 0, 4)


def test_takes_the_precision_of_the_predictions():
    assert gather(target([0], [BOX]), dtype=torch.float64).boxes.dtype == torch.float64


@pytest.mark.parametrize("label", [-1, 3, 90])
def test_an_unknown_class_is_named(label):
    with pytest.raises(AnnotationError, match=rf"^image 1, object 2: label {label} .* 0 to 2 .*contiguous"):
        gather(target([0], [BOX]), target([0, 1, label], [BOX] * 3))


@pytest.mark.parametrize(
    "box",
    [
        [320.0, 240, 64, 48],
        [0.5, -0.01, 0.2, 0.2],
        [0.5, 0.5, 1.1, 0.2],
        [float("nan"), 0.5, 0.2, 0.2],
        [0.5, 0.5, float("inf"), 0.2],
    ],
)
def test_a_box_off_the_image_is_named(box):
    with pytest.raises(AnnotationError, match=r"^image 0, object 1: box \[.*\] is not in \[0, 1\] .*cx, cy, w, h"):
        gather(target([0, 0], [BOX, box]), target([], []))


def test_rounding_at_the_border_is_no_fault():
    assert gather(target([0], [[1.00001, 0.5, 1.0, -0.00001]])).counts == (1,)


@pytest.mark.parametrize(
    ("labels", "boxes", "message"),
    [
        (torch.tensor([0, 1]), torch.full((1, 4), 0.5), r"expected 2 boxes .* shape \(1, 4\)"),
        (torch.tensor([0]), torch.full((4,), 0.5), r"expected 1 boxes .* shape \(4,\)"),
        (torch.tensor([0]), torch.full((1, 5), 0.5), r"expected 1 boxes .* shape \(1, 5\)"),
        (torch.tensor([0.0]), torch.full((1, 4), 0.5), r"int64 label .* torch.float32"),
        (torch.tensor([[0]]), torch.full((1, 4), 0.5), r"int64 label .* \(1, 1\)"),
    ],
)
def test_what_is_no_object_is_refused(labels, boxes, message):
    malformed = object.__new__(Target)  # shape checks are on in tests only; users have none
    for field, value in (("labels", labels), ("boxes", boxes), ("masks", None)):
        object.__setattr__(malformed, field, value)
    with pytest.raises(AnnotationError, match=f"^image 1: .*{message}"):
        gather(target([0], [BOX]), malformed)
