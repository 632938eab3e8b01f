import pytest
import torch
from torchvision.transforms import v2

from condetr.core.errors import SettingsError
from condetr.data.augmentation.own import OwnAugmentation
from condetr.data.augmentation.trial import sizes_to_try, try_augmentation

SIZES = [(90, 120), (120, 90), (200, 200)]


def warnings_of(transform, *, masks=False, sizes=SIZES):
    return try_augmentation(OwnAugmentation([transform], None), sizes, masks=masks)


def only_the_image(varied):
    return varied | {"image": varied["image"].flip(-1) if torch.rand(()) < 0.5 else varied["image"]}


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize(
    "transform",
    [
        v2.Identity(),
        v2.RandomHorizontalFlip(),
        v2.Compose([v2.RandomPhotometricDistort(p=1.0), v2.RandomZoomOut(), v2.RandomIoUCrop()]),
        v2.Compose([v2.RandomAffine(8, (0.1, 0.1), (0.8, 1.2)), v2.RandomInvert(), v2.GaussianBlur(5)]),
    ],
    ids=["identity", "flip", "ssd", "affine"],
)
def test_boxes_that_follow_their_objects_are_fine(transform, masks):
    assert warnings_of(transform, masks=masks) == []


def test_a_flip_of_the_image_alone_is_noticed():
    (warning,) = warnings_of(only_the_image)
    assert "do not lie on their object" in warning
    assert "move the boxes with the image?" in warning


def test_an_augmentation_that_drops_everything_is_noticed():
    assert "drops all objects" in warnings_of(v2.CenterCrop(4))[0]


def test_masks_that_are_forgotten_are_found_only_where_they_are_trained():
    def crop_of_boxes(varied):
        varied["image"], varied["boxes"] = (
            v2.functional.crop(varied[name], 0, 0, 50, 50) for name in ("image", "boxes")
        )
        return varied

    assert warnings_of(crop_of_boxes) == []
    with pytest.raises(SettingsError, match="masks of"):
        warnings_of(crop_of_boxes, masks=True)


def test_the_sizes_of_the_data_are_tried():
    with pytest.raises(SettingsError, match="crop size"):
        warnings_of(v2.RandomCrop(100))
    assert warnings_of(v2.RandomCrop(100), sizes=[(140, 180)]) == []
    assert sizes_to_try([(3, 4), (9, 9), (3, 3), (5, 5), (3, 4)]) == [(3, 3), (5, 5), (9, 9)]


def test_generators_are_left_as_they_were():
    torch.manual_seed(4)
    before = torch.get_rng_state()
    warnings_of(only_the_image)
    assert torch.equal(torch.get_rng_state(), before)
