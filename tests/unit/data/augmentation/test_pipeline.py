import pytest
import torch
from torchvision.transforms import v2

from condetr.core.errors import SettingsError
from condetr.data.augmentation.pipeline import decides_size, transforms_by_name, transforms_of
from condetr.data.augmentation.pipeline_steps import checked_steps, read_pipeline
from tests.unit.data.augmentation.samples import sample

TEXT = """
- RandomHorizontalFlip
- RandomRotation: {degrees: 10, fill: [124, 116, 104], interpolation: bilinear}
- RandomApply:
    p: 0.3
    transforms:
      - GaussianBlur: {kernel_size: 5}
      - RandomGrayscale
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT)
    return path


def test_a_file_names_transforms_of_torchvision_and_their_arguments(file):
    flip, rotation, apply = transforms_of(read_pipeline(file))
    assert isinstance(flip, v2.RandomHorizontalFlip)
    assert (rotation.degrees, rotation.interpolation.value) == ([-10.0, 10.0], "bilinear")
    assert isinstance(apply, v2.RandomApply)
    assert (apply.p, [type(part) for part in apply.transforms]) == (0.3, [v2.GaussianBlur, v2.RandomGrayscale])


def test_a_fill_color_is_that_of_the_image_and_masks_are_filled_with_nothing():
    (rotation,) = transforms_of([{"RandomRotation": {"degrees": [45, 45], "fill": [9, 8, 7]}}])
    varied = rotation(sample())
    assert varied["image"][:, 0, 0].tolist() == [9, 8, 7]
    assert not varied["masks"][:, 0, 0].any()


def test_every_public_transform_that_takes_plain_values_is_there():
    known = transforms_by_name()
    assert known.keys() > {"RandomIoUCrop", "RandomPhotometricDistort", "ScaleJitter", "SanitizeBoundingBoxes"}
    assert known.keys().isdisjoint({"Lambda", "Transform"})


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("RandomFlip", "step 1, RandomFlip: .*no such transform .*RandomVerticalFlip"),
        ({"Lambda": {"lambd": "print"}}, "no such transform"),
        ({"RandomRotation": {"degree": 3}}, r"step 1, RandomRotation: does not take {'degree': 3}: .*degree"),
        ({"RandomRotation": {"degrees": -1}}, "RandomRotation: does not take"),
        ({"RandomRotation": {"degrees": 3, "interpolation": "cubic"}}, "interpolation: is 'cubic', expected .*bicubic"),
        ({"RandomApply": {"transforms": [{"Blur": {}}]}}, "step 1, RandomApply, step 1, Blur: .*no such transform"),
        ({"RandomApply": {"transforms": [3]}}, "RandomApply: is 3, expected NAME"),
    ],
)
def test_what_torchvision_cannot_build_is_refused_by_name(step, expected):
    with pytest.raises(SettingsError, match=expected):
        transforms_of(checked_steps([step], None))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RandomHorizontalFlip: {p: 1}", "holds no list"),
        ("", "holds no list"),
        ("[]", "has no transforms"),
        ("- 3", "step 1: is 3, expected NAME"),
        ("- A\n- {B: {}, C: {}}", "step 2: is .*expected NAME"),
        ("- {A: 3}", "step 1"),
        ("- !!python/object:os.system x", "not readable YAML"),
    ],
)
def test_a_file_that_is_no_list_of_transforms_is_refused_with_its_name(tmp_path, text, expected):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=expected) as caught:
        read_pipeline(path)
    assert caught.value.source == str(path)


def test_resizing_is_seen_inside_of_others():
    inside = [{"RandomApply": {"transforms": [{"RandomOrder": {"transforms": [{"Resize": {"size": 9}}]}}]}}]
    assert [decides_size(part) for part in transforms_of([*inside, {"RandomCrop": {"size": 5}}])] == [True, False]
    assert not decides_size(torch.nn.Identity())
