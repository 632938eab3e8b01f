"""Augmentation of training images: mirrored, cropped, resized, recolored, their boxes and masks with them."""

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.tv_tensors import Image, Mask, wrap

from condetr.core.names import AugmentationPreset
from condetr.images.coco_labels.resizing import resized_bits
from condetr.images.sizes import Edges, Exactly, HeightWidth, Size, Within

Sample: TypeAlias = dict[str, Any]  # "image", "boxes", "labels" and perhaps "masks", as torchvision's tv_tensors

# DETR's numbers as shares of its largest size, 800: 480 to 800 in steps of 32; a crop of 384 to 600 from an image of
# 400, 500 or 600.
SCALES = tuple(round(0.6 + 0.04 * step, 2) for step in range(11))
CROP_SCALES = (0.5, 0.625, 0.75)
CROP_SIDES = (0.48, 0.75)
COLORS = {"brightness": 0.125, "contrast": 0.5, "saturation": 0.5, "hue": 0.05}  # SSD's, channels stay in their order
GRAY = (124, 116, 104)  # the mean color of ImageNet, which normalizes to zero


@dataclass(frozen=True, slots=True)
class AugmentationConfig:
    """Possible changes of an image.

    Attributes:
        flip: probability of mirroring left and right.
        scales: sizes to choose from, as shares of the full one.
        crop: probability of cropping.
        zoom_out: probability of placing the image in a larger gray one.
        color: probability of changing brightness, contrast, saturation and hue.
    """

    flip: float = 0.0
    scales: tuple[float, ...] = (1.0,)
    crop: float = 0.0
    zoom_out: float = 0.0
    color: float = 0.0


PRESETS: dict[AugmentationPreset, AugmentationConfig] = {
    "none": AugmentationConfig(),
    "light": AugmentationConfig(flip=0.5),
    "detr": AugmentationConfig(flip=0.5, scales=SCALES, crop=0.5),
    "strong": AugmentationConfig(flip=0.5, scales=SCALES, crop=0.5, zoom_out=0.3, color=0.5),
}


def augmentation_of(preset: AugmentationPreset, size: Size | None, *, flip: float | None = None) -> nn.Module:
    """A transform of samples; objects that a crop removes entirely are dropped.

    Args:
        preset: which changes are possible.
        size: of images in prediction; None keeps their own.
        flip: replaces the preset's probability of mirroring.
    """
    config = PRESETS[preset] if flip is None else replace(PRESETS[preset], flip=flip)
    return nn.Sequential(*_steps_of(config, size))


def _steps_of(config: AugmentationConfig, size: Size | None) -> list[nn.Module]:
    steps: list[nn.Module] = [v2.RandomHorizontalFlip(config.flip)] if config.flip else []
    if config.zoom_out:
        steps.append(v2.RandomZoomOut(fill={Image: GRAY, "others": 0}, side_range=(1.0, 2.0), p=config.zoom_out))
    if config.crop and size is not None:
        cropping = [Resize(size, CROP_SCALES), RandomCrop(size, CROP_SIDES), RemoveInvisibleObjects(1.0)]
        steps.append(v2.RandomApply(cropping, p=config.crop))
    if size is not None:
        steps += [Resize(size, config.scales), RemoveInvisibleObjects(0.0)]
    if config.color:  # last, when there are fewer pixels
        steps.append(v2.RandomApply([v2.ColorJitter(**COLORS)], p=config.color))
    return steps


class Resize(v2.Transform):  # type: ignore[misc]  # torchvision has no types
    """To one of several sizes, with the proportions that the size prescribes; a longest edge bounds all of them."""

    def __init__(self, size: Size, scales: tuple[float, ...]) -> None:
        super().__init__()
        self.sizes = tuple(scaled(size, scale) for scale in scales)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        size = self.sizes[int(torch.randint(len(self.sizes), ()))]
        return {"size": list(size.fit(_size_of(flat_inputs), "torchvision"))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(inpt, Mask):
            height, width = params["size"]
            return Mask(resized_bits(inpt.as_subclass(Tensor), (height, width)))
        return v2.functional.resize(inpt, params["size"], antialias=True)


class RandomCrop(v2.Transform):  # type: ignore[misc]
    """Crop to a part whose sides are chosen independently, the image's own at most."""

    def __init__(self, size: Size, sides: tuple[float, float]) -> None:
        super().__init__()
        self.smallest, self.largest = (_edge_of(scaled(size, side)) for side in sides)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        sides = _size_of(flat_inputs)
        height, width = (_between(min(self.smallest, side), min(self.largest, side)) for side in sides)
        top, left = _between(0, sides[0] - height), _between(0, sides[1] - width)
        return {"top": top, "left": left, "height": height, "width": width}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return v2.functional.crop(inpt, **params)


class RemoveInvisibleObjects(nn.Module):
    """Drop objects whose box is narrower than ``narrowest``, and, if there are masks, those without a pixel."""

    def __init__(self, narrowest: float) -> None:
        super().__init__()
        self.narrowest = narrowest

    def forward(self, sample: Sample) -> Sample:
        boxes = sample["boxes"]
        visible = (boxes[:, 2:] - boxes[:, :2] >= self.narrowest).all(dim=1)
        if "masks" in sample:
            visible &= sample["masks"].flatten(1).any(dim=1)
        return {name: value if name == "image" else wrap(value[visible], like=value) for name, value in sample.items()}


def scaled(size: Size, share: float) -> Size:
    """A smaller size of the same form; of two edges, the longest stays a bound."""
    match size:
        case Edges(shortest=None, longest=int(longest)):
            return Edges(None, _part(longest, share))
        case Edges(shortest=int(shortest), longest=longest):
            return Edges(_part(shortest, share), longest)
        case Exactly(height, width):
            return Exactly(_part(height, share), _part(width, share))
        case Within(height, width):
            return Within(_part(height, share), _part(width, share))
    return size


def _edge_of(size: Size) -> int:
    match size:
        case Edges(shortest, longest):
            return shortest or longest or 1
        case Exactly(height, width) | Within(height, width):
            return min(height, width)


def _part(side: int, share: float) -> int:
    return max(1, round(side * share))


def _between(low: int, high: int) -> int:
    return int(torch.randint(low, high + 1, ()))


def _size_of(flat_inputs: list[Any]) -> HeightWidth:
    height, width = v2.query_size(flat_inputs)
    return height, width
