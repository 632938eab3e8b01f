import pytest
import torch
from torchvision.tv_tensors import BoundingBoxes, Image, Mask

from condetr.data.augmentation import CROP_SCALES, PRESETS, RandomCrop, augmentation_of, scaled
from condetr.images.sizes import Edges, Exactly, Within

PAPER = Edges(800, 1333)


def sample(height=96, width=128, boxes=((10, 20, 50, 60), (90, 40, 120, 90)), masks=True):
    """Each object is a rectangle of its own gray, on black, with its mask."""
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    outlines = torch.zeros(len(boxes), height, width, dtype=torch.bool)
    for number, (x1, y1, x2, y2) in enumerate(boxes):
        image[:, y1:y2, x1:x2] = 100 + 50 * number
        outlines[number, y1:y2, x1:x2] = True
    corners = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    made = {
        "image": Image(image),
        "boxes": BoundingBoxes(corners, format="XYXY", canvas_size=(height, width)),
        "labels": torch.arange(len(boxes)),
    }
    return made | {"masks": Mask(outlines)} if masks else made


def test_the_paper_trains_on_480_to_800_and_crops_from_400_500_600():
    assert [scaled(PAPER, share).shortest for share in PRESETS["detr"].scales] == list(range(480, 801, 32))
    assert [scaled(PAPER, share).shortest for share in CROP_SCALES] == [400, 500, 600]
    assert {scaled(PAPER, share).longest for share in CROP_SCALES} == {1333}
    crop = RandomCrop(PAPER, (0.48, 0.75))
    assert (crop.smallest, crop.largest) == (384, 600)


@pytest.mark.parametrize(
    ("size", "half"),
    [(Edges(None, 100), Edges(None, 50)), (Exactly(80, 60), Exactly(40, 30)), (Within(80, 61), Within(40, 30))],
)
def test_any_form_of_size_can_be_scaled(size, half):
    assert scaled(size, 0.5) == half


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("seed", range(12))
def test_boxes_masks_and_pixels_stay_together(preset, seed):
    torch.manual_seed(seed)
    varied = augmentation_of(preset, Edges(160, 300))(sample())
    height, width = varied["image"].shape[-2:]
    assert varied["masks"].shape == (len(varied["labels"]), height, width)
    assert varied["boxes"].canvas_size == (height, width)
    assert len(varied["boxes"]) == len(varied["labels"]) == len(varied["masks"])
    assert varied["image"].dtype == torch.uint8
    assert max(height, width) <= 300
    for box, mask in zip(varied["boxes"], varied["masks"], strict=True):
        rows, columns = mask.nonzero().unbind(1)
        around = torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        # nearest-neighbor masks and antialiased boxes round differently
        torch.testing.assert_close(box.as_subclass(torch.Tensor), around.float(), atol=3, rtol=0)
        if preset != "strong":  # which changes colors
            inside = varied["image"][0].as_subclass(torch.Tensor)[mask.as_subclass(torch.Tensor)].float().median()
            assert inside in (100, 150)


def test_none_only_resizes_as_prediction_does():
    varied = augmentation_of("none", PAPER)(sample())
    assert varied["image"].shape[-2:] == PAPER.fit((96, 128), "torchvision")
    assert len(varied["boxes"]) == 2
    unchanged = augmentation_of("none", None)(sample())
    assert torch.equal(unchanged["image"], sample()["image"])


def test_objects_that_a_crop_removes_are_dropped():
    """With its label and mask; seen over many crops."""
    counts, labels = set(), set()
    for seed in range(200):
        torch.manual_seed(seed)
        varied = augmentation_of("detr", Edges(160, 300))(sample())
        counts.add(len(varied["boxes"]))
        labels.update(varied["labels"].tolist() if len(varied["labels"]) == 1 else [])
        widths = varied["boxes"][:, 2:] - varied["boxes"][:, :2]
        assert (widths >= 1).all()
    assert counts >= {1, 2}
    assert labels == {0, 1}


@pytest.mark.parametrize("preset", PRESETS)
def test_images_without_objects_are_augmented_as_well(preset):
    for seed in range(6):
        torch.manual_seed(seed)
        varied = augmentation_of(preset, Edges(64, 100))(sample(boxes=(), masks=False))
        assert varied["boxes"].shape == (0, 4)
        assert varied["labels"].shape == (0,)


def test_mirroring_can_be_switched_off():
    """A mirrored digit is another one."""
    augmentation = augmentation_of("light", None, flip=0.0)
    for seed in range(20):
        torch.manual_seed(seed)
        assert torch.equal(augmentation(sample())["image"], sample()["image"])
    always = augmentation_of("none", None, flip=1.0)(sample())
    assert torch.equal(always["image"], sample()["image"].flip(-1))
    assert always["boxes"][0].tolist() == [128 - 50, 20, 128 - 10, 60]
