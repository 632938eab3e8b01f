import pytest
import torch

from condetr.data.augmentation.cropping import RandomCrop
from condetr.data.augmentation.presets import CROP_SCALES, PRESETS, augmentation_of
from condetr.data.augmentation.resizing import scaled
from condetr.images.sizes import Edges, Exactly, Within
from tests.unit.data.augmentation.samples import drawn_boxes, gray_of, sample

PAPER = Edges(800, 1333)


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
            assert inside in (gray_of(0), gray_of(1))


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


@pytest.mark.parametrize("masks", [False, True])
def test_vertical_flips_and_quarter_turns_lose_no_pixel(masks):
    augmentation = augmentation_of("none", None, flip=0.5, flip_vertical=0.5, quarter_turns=True)
    sizes, images = set(), set()
    for seed in range(60):
        torch.manual_seed(seed)
        varied = augmentation(sample(masks=masks))
        assert varied["boxes"].canvas_size == varied["image"].shape[-2:]
        assert varied["boxes"].tolist() == drawn_boxes(varied)
        for label in range(2 if masks else 0):
            assert torch.equal(varied["masks"][label], varied["image"][0] == gray_of(label))
        sizes.add(tuple(varied["image"].shape[-2:]))
        images.add(varied["image"].numpy().tobytes())
    assert sizes == {(96, 128), (128, 96)}
    assert len(images) == 8, "all turns and mirror images of a rectangle"


def test_the_recipe_of_the_paper_keeps_slivers_and_takes_any_crop():
    detr = PRESETS["detr"]
    assert (detr.min_visibility, detr.crop_tries, detr.crop, detr.flip) == (0.0, 1, 0.5, 0.5)
    assert {config.min_visibility for name, config in PRESETS.items() if name != "detr"} == {0.25}


def slivers_of(preset, **options):
    """How many objects 100 images lose because too little of them is left."""
    count = 0
    for seed in range(100):
        torch.manual_seed(seed)
        count += augmentation_of(preset, Edges(96, 128), **options)(sample()).get("slivers", 0)
    return count


def test_a_higher_share_drops_more_and_none_drops_nothing():
    counts = {share: slivers_of("detr", min_visibility=share) for share in (0.0, 0.1, 0.5)}
    assert counts[0.0] == 0
    assert 0 < counts[0.1] < counts[0.5]
    assert slivers_of("detr") == 0
