import torch

from condetr.images.labels import normalize_labels, pad_labels, resize_labels

LABELS = {
    "boxes": torch.tensor([[10.0, 20.0, 30.0, 60.0]]),
    "area": torch.tensor([100.0]),
    "masks": torch.eye(4, dtype=torch.bool)[None],
    "keypoints": torch.tensor([[1.0, 2.0, 2.0]]),
    "class_labels": torch.tensor([3]),
    "size": torch.tensor([4, 4]),
    "orig_size": torch.tensor([4, 4]),
}


def test_boxes_areas_and_masks_follow_the_picture():
    resized = resize_labels(LABELS, (100, 200), (50, 400))
    assert resized["boxes"].tolist() == [[20, 10, 60, 30]]
    assert resized["area"].tolist() == [100]
    assert resized["masks"].shape == (1, 50, 400)
    assert resized["size"].tolist() == [50, 400]
    assert resized["orig_size"].tolist() == [4, 4]
    assert torch.equal(resized["keypoints"], LABELS["keypoints"])


def test_masks_take_the_nearest_pixel():
    resized = resize_labels(LABELS, (4, 4), (2, 2))["masks"][0]
    assert torch.equal(resized, torch.eye(2, dtype=torch.bool))


def test_boxes_are_relative_to_the_picture_and_stay_so_in_a_frame():
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
