"""The augmentation presets, and the transform of each."""

from dataclasses import dataclass, replace

from torch import nn
from torchvision.transforms import v2
from torchvision.tv_tensors import Image

from condetr.core.names import AugmentationPreset
from condetr.data.augmentation.cropping import RandomCrop
from condetr.data.augmentation.large_scale_jitter import GRAY, LargeScaleJitter
from condetr.data.augmentation.resizing import Resize
from condetr.data.augmentation.sample import RemoveInvisibleObjects
from condetr.data.augmentation.turning import RandomQuarterTurns
from condetr.images.sizes import Size

# DETR's numbers as shares of its largest size, 800: 480 to 800 in steps of 32; a crop of 384 to 600 from an image of
# 400, 500 or 600.
SCALES = tuple(round(0.6 + 0.04 * step, 2) for step in range(11))
CROP_SCALES = (0.5, 0.625, 0.75)
CROP_SIDES = (0.48, 0.75)
COLORS = {"brightness": 0.125, "contrast": 0.5, "saturation": 0.5, "hue": 0.05}  # SSD's, channels stay in their order
TRIES = 10  # windows per crop: of BCCD's objects a random one cuts 45 %, the best of ten 25 %
MIN_VISIBILITY = 0.25


@dataclass(frozen=True, slots=True)
class AugmentationConfig:
    """Possible changes of an image.

    Attributes:
        flip: probability of a horizontal flip.
        flip_vertical: probability of a vertical flip.
        quarter_turns: whether to turn by 0, 90, 180 or 270 degrees.
        scales: sizes to choose from, as shares of the full one.
        crop: probability of cropping.
        crop_tries: windows to choose from, see `RandomCrop`.
        zoom_out: probability of placing the image in a larger gray one.
        jitter: range of scales of `LargeScaleJitter`, which replaces ``scales``.
        color: probability of changing brightness, contrast, saturation and hue.
        min_visibility: share of an object's area that a crop must keep, or the object is dropped; 0 keeps all.
    """

    flip: float = 0.0
    flip_vertical: float = 0.0
    quarter_turns: bool = False
    scales: tuple[float, ...] = (1.0,)
    crop: float = 0.0
    crop_tries: int = 1
    zoom_out: float = 0.0
    jitter: tuple[float, float] | None = None
    color: float = 0.0
    min_visibility: float = MIN_VISIBILITY


PRESETS: dict[AugmentationPreset, AugmentationConfig] = {
    "none": AugmentationConfig(),
    "light": AugmentationConfig(flip=0.5),
    "detr": AugmentationConfig(flip=0.5, scales=SCALES, crop=0.5, min_visibility=0.0),
    "strong": AugmentationConfig(flip=0.5, scales=SCALES, crop=0.5, crop_tries=TRIES, zoom_out=0.3, color=0.5),
    "lsj": AugmentationConfig(flip=0.5, jitter=(0.1, 2.0)),
}


def augmentation_of(
    preset: AugmentationPreset,
    size: Size | None,
    *,
    flip: float | None = None,
    flip_vertical: float = 0.0,
    quarter_turns: bool = False,
    min_visibility: float | None = None,
) -> nn.Sequential:
    """A transform of samples; objects that a crop removes entirely are dropped.

    Args:
        preset: which changes are possible.
        size: of images in prediction; None keeps their own.
        flip: replaces the preset's probability of a horizontal flip.
        flip_vertical: probability of a vertical flip.
        quarter_turns: whether to turn by 0, 90, 180 or 270 degrees.
        min_visibility: replaces the preset's share of an object that a crop must keep.
    """
    config = replace(PRESETS[preset], flip_vertical=flip_vertical, quarter_turns=quarter_turns)
    if flip is not None:
        config = replace(config, flip=flip)
    if min_visibility is not None:
        config = replace(config, min_visibility=min_visibility)
    return nn.Sequential(*_steps_of(config, size))


def _steps_of(config: AugmentationConfig, size: Size | None) -> list[nn.Module]:
    steps: list[nn.Module] = [v2.RandomHorizontalFlip(config.flip)] if config.flip else []
    if config.flip_vertical:
        steps.append(v2.RandomVerticalFlip(config.flip_vertical))
    if config.quarter_turns:
        steps.append(RandomQuarterTurns())
    if config.zoom_out:
        steps.append(v2.RandomZoomOut(fill={Image: GRAY, "others": 0}, side_range=(1.0, 2.0), p=config.zoom_out))
    if config.crop and size is not None:
        crop = RandomCrop(size, CROP_SIDES, tries=config.crop_tries, min_visibility=config.min_visibility)
        cropping = [Resize(size, CROP_SCALES), crop, RemoveInvisibleObjects(1.0)]
        steps.append(v2.RandomApply(cropping, p=config.crop))
    if config.jitter is not None:
        jitter = LargeScaleJitter(size, config.jitter, min_visibility=config.min_visibility)
        steps += [jitter, RemoveInvisibleObjects(1.0)]
    elif size is not None:
        steps += [Resize(size, config.scales), RemoveInvisibleObjects(0.0)]
    if config.color:  # last, when there are fewer pixels
        steps.append(v2.RandomApply([v2.ColorJitter(**COLORS)], p=config.color))
    return steps
