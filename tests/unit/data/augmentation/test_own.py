import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torchvision.transforms import v2
from torchvision.tv_tensors import BoundingBoxes, Mask

from condetr.core.errors import SettingsError
from condetr.data.augmentation.own import OwnAugmentation, seeded
from condetr.images.sizes import Edges
from tests.unit.data.augmentation.samples import drawn_boxes, gray_of, sample

SIZE = Edges(48, 64)


class Compose:
    """Called as albumentations calls its own: the left half of the image, mirrored, and the objects that are in it."""

    def __init__(self, format="pascal_voc", fields=("labels",)):  # noqa: A002
        self.processors = {"bboxes": SimpleNamespace(params=SimpleNamespace(format=format, label_fields=list(fields)))}

    def __call__(self, *, image, bboxes, labels, masks=None):
        assert image.dtype == np.uint8
        half = image.shape[1] // 2
        kept = [number for number, box in enumerate(bboxes) if box[0] < half]
        result = {
            "image": image[:, :half][:, ::-1],
            "bboxes": [(half - min(bboxes[n][2], half), bboxes[n][1], half - bboxes[n][0], bboxes[n][3]) for n in kept],
            "labels": [labels[n] for n in kept],
        }
        return result if masks is None else result | {"masks": [mask[:, :half][:, ::-1] for mask in masks]}


def flipped(sample):
    return v2.functional.horizontal_flip(sample["image"]), v2.functional.horizontal_flip(sample["boxes"])


def own_flip(varied):
    varied["image"], varied["boxes"] = flipped(varied)
    if "masks" in varied:
        varied["masks"] = v2.functional.horizontal_flip(varied["masks"])
    return varied


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("transform", [own_flip, v2.Compose([v2.RandomHorizontalFlip(1.0)]), Compose()])
def test_functions_torchvision_and_albumentations_are_called_alike(transform, masks):
    before = sample(masks=masks)
    varied = OwnAugmentation([transform], None)(before)
    assert varied["boxes"].tolist() == drawn_boxes(varied)
    assert varied["labels"].tolist() == ([0] if isinstance(transform, Compose) else [0, 1])
    assert varied["labels"].dtype == torch.int64
    for label, mask in zip(varied["labels"].tolist(), varied.get("masks", ()), strict=False):
        assert torch.equal(mask, varied["image"][0] == gray_of(label))
    assert before["boxes"].tolist() == sample()["boxes"].tolist(), "the sample itself stays"


def test_images_have_the_size_of_prediction_unless_a_resizing_transform_decides():
    def size_after(*transforms):
        return tuple(OwnAugmentation(transforms, SIZE)(sample())["image"].shape[-2:])

    assert size_after(own_flip) == (48, 64)
    assert size_after(v2.CenterCrop((90, 90))) == (48, 48)
    assert size_after(v2.Resize((30, 40))) == (30, 40)


def test_objects_without_area_are_dropped_and_boxes_end_at_the_image():
    def shifted(varied):
        corners = torch.tensor([[-5.0, 3, 20, 9], [7, 8, 7.5, 30]])
        varied["boxes"] = BoundingBoxes(corners, format="XYXY", canvas_size=varied["image"].shape[-2:])
        return varied

    varied = OwnAugmentation([shifted], None)(sample(masks=False))
    assert varied["boxes"].tolist() == [[0, 3, 20, 9]]
    assert varied["labels"].tolist() == [0]


def test_images_without_objects_are_augmented_as_well():
    for transform in (own_flip, Compose()):
        varied = OwnAugmentation([transform], SIZE)(sample(boxes=()))
        assert varied["boxes"].shape == (0, 4)


def changed(**parts):
    def change(varied):
        return varied | parts

    return change


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        (lambda varied: None, "returns a NoneType, expected the sample"),
        (lambda varied: {"image": varied["image"]}, "returns no tensor boxes or labels or masks"),
        (changed(image=torch.zeros(3, 96, 128)), r"image of float32 \(3, 96, 128\), expected uint8"),
        (changed(image=torch.zeros(1, 96, 128, dtype=torch.uint8)), "image of uint8 .1, 96, 128., expected uint8 of 3"),
        (changed(labels=torch.zeros(1, dtype=torch.int64)), "2 boxes and 1 labels"),
        (changed(labels=torch.tensor([0, 7])), "labels that the sample did not have"),
        (changed(boxes=torch.zeros(2, 5)), r"boxes of shape \(2, 5\)"),
        (changed(boxes=torch.full((2, 4), torch.nan)), "boxes that are not finite"),
        (v2.ConvertBoundingBoxFormat("XYWH"), "boxes of shape .*expected x1, y1, x2, y2"),
        (changed(image=torch.zeros(3, 50, 50, dtype=torch.uint8)), "boxes for an image of"),
        (changed(masks=Mask(torch.zeros(1, 96, 128, dtype=torch.bool))), r"masks of \(1, 96, 128\), expected \(2, 96"),
        (v2.Normalize([0.5], [0.5]), "Normalize: failed: TypeError"),
    ],
)
def test_what_is_no_sample_is_refused_with_the_name_of_the_transform(transform, expected):
    with pytest.raises(SettingsError, match=expected) as caught:
        OwnAugmentation([transform], None)(sample())
    assert caught.value.item.startswith("augment, ")
    with pytest.raises(SettingsError, match="augment, step 2, "):
        OwnAugmentation([own_flip, transform], None)(sample())


def test_an_error_of_the_user_is_named():
    def broken(varied):
        raise KeyError("bboxes")

    with pytest.raises(SettingsError, match="augment, broken: failed: KeyError: 'bboxes'") as caught:
        OwnAugmentation([broken], None)(sample())
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("compose", "expected"),
    [(Compose(format="coco"), "takes boxes as 'coco'"), (Compose(fields=()), "without labels")],
)
def test_a_compose_with_other_boxes_is_refused(compose, expected):
    with pytest.raises(SettingsError, match=f"{expected}.*pascal_voc.*label_fields"):
        OwnAugmentation([compose], None)
    compose.processors = {}
    with pytest.raises(SettingsError, match="takes no boxes"):
        OwnAugmentation([compose], None)


def test_all_generators_begin_at_the_seed_and_go_on_as_before():
    def numbers():
        return float(torch.rand(())), float(np.random.rand()), random.random()

    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    without = numbers()
    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    with seeded(5):
        first = numbers()
    assert numbers() == without
    with seeded(5):
        assert numbers() == first
    with seeded(6):
        assert all(one != other for one, other in zip(numbers(), first, strict=True))


def test_a_compose_with_generators_of_its_own_is_seeded():
    seeds = []
    compose = Compose()
    compose.set_random_seed = seeds.append
    for seed in (1, 1, 2):
        with seeded(seed):
            OwnAugmentation([compose], None)(sample())
    assert seeds[0] == seeds[1] != seeds[2]
