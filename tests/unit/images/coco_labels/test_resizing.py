import torch
from torch.nn.functional import interpolate

from condetr.images.coco_labels.resizing import normalize_labels, pad_labels, resize_labels

LABELS = {
    "boxes": torch.tensor([[10.0, 20.0, 30.0, 60.0]]),
    "area": torch.tensor([100.0]),
    "masks": torch.eye(4, dtype=torch.bool)[None],
    "keypoints": torch.tensor([[1.0, 2.0, 2.0]]),
    "class_labels": torch.tensor([3]),
    "size": torch.tensor([4, 4]),
    "orig_size": torch.tensor([4, 4]),
}


def test_boxes_areas_and_masks_follow_the_image():
    resized = resize_labels(LABELS, (100, 200), (50, 400))
    assert resized["boxes"].tolist() == [[20, 10, 60, 30]]
    assert resized["area"].tolist() == [100]
    assert resized["masks"].shape == (1, 50, 400)
    assert resized["size"].tolist() == [50, 400]
    assert resized["orig_size"].tolist() == [4, 4]
    assert torch.equal(resized["keypoints"], LABELS["keypoints"])


def test_masks_take_the_nearest_pixel():
    """That which a pixel's center falls into: of four columns the second and the fourth, where `nearest` has others."""
    mask = torch.tensor([[0, 1, 0, 0, 1], [0, 0, 0, 0, 0], [1, 0, 1, 1, 0], [0, 0, 0, 1, 0]], dtype=torch.bool)
    labels = LABELS | {"masks": mask[None]}
    smaller = resize_labels(labels, (4, 5), (2, 2))["masks"][0]
    assert smaller.tolist() == [[mask[1, 1], mask[1, 3]], [mask[3, 1], mask[3, 3]]]
    larger = resize_labels(labels, (4, 5), (6, 7))["masks"][0]
    rows, columns = ([int((position + 0.5) * old / new) for position in range(new)] for old, new in ((4, 6), (5, 7)))
    assert torch.equal(larger, mask[rows][:, columns])
    assert not torch.equal(larger, interpolate(mask[None, None].float(), size=(6, 7), mode="nearest")[0, 0].bool())


def test_boxes_are_relative_to_the_image_and_stay_so_in_a_frame():
    normalized = normalize_labels(LABELS, (100, 200))
    assert normalized["boxes"].tolist() == torch.tensor([[0.1, 0.4, 0.1, 0.4]]).tolist()
    padded = pad_labels(normalized, (150, 400))
    assert torch.equal(padded["boxes"], normalized["boxes"])
    assert padded["masks"].shape == (1, 150, 400)
    assert padded["masks"].sum() == 4
    assert padded["size"].tolist() == [150, 400]


def test_no_masks_stay_no_masks():
    empty = {"masks": torch.zeros(0, 4, 4, dtype=torch.bool)}
    assert resize_labels(empty, (4, 4), (2, 3))["masks"].shape == (0, 2, 3)
    assert pad_labels(empty, (5, 6))["masks"].shape == (0, 5, 6)


def test_the_given_labels_are_not_changed():
    before = {name: values.clone() for name, values in LABELS.items()}
    normalize_labels(resize_labels(LABELS, (100, 200), (50, 400)), (50, 400))
    assert all(torch.equal(before[name], LABELS[name]) for name in LABELS)
