"""Images of different sizes in one padded tensor, each at the top left, with a pixel mask."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from condetr.core.errors import DataError
from condetr.core.shapes import PixelMask
from condetr.images.resize import Planes
from condetr.images.sizes import HeightWidth, bounded


@dataclass(frozen=True, slots=True)
class Batch:
    """The input of the network.

    Attributes:
        pixels: normalized; zero on padding. Bytes where neither rescaling nor normalizing is on.
        mask: True on real pixels.
        original_sizes: (height, width) of each upright input image.
        resized_sizes: (height, width) of each image inside ``pixels``.
    """

    pixels: Shaped[Tensor, "batch channels height width"]
    mask: PixelMask
    original_sizes: tuple[HeightWidth, ...]
    resized_sizes: tuple[HeightWidth, ...]

    def __len__(self) -> int:
        return len(self.original_sizes)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps pixel values to (value * factor - shift) / divisor, per channel; steps that are None are skipped."""

    factor: float | None = None
    shift: Float[Tensor, "channels 1 1"] | None = None
    divisor: Float[Tensor, "channels 1 1"] | None = None

    def write(self, planes: Planes, into: Planes) -> None:
        into.copy_(planes)
        if self.factor is not None:
            into.mul_(self.factor)
        if self.shift is not None:
            into.sub_(self.shift)
        if self.divisor is not None:
            into.div_(self.divisor)


def padded(images: Sequence[Planes], scale: Scale, frame: HeightWidth | None) -> tuple[Tensor, PixelMask]:
    """The scaled images, each at the top left of its slot in one tensor of size ``frame`` or the largest size.

    Raises:
        DataError: an image is larger than the frame.
        SettingsError: the frame has too many pixels.
    """
    height, width = frame or (max(p.shape[1] for p in images), max(p.shape[2] for p in images))
    bounded((height, width), "pad_size" if frame else "size")
    pixels = torch.empty((len(images), len(images[0]), height, width), dtype=dtype_of(images, scale))
    mask = torch.zeros((len(images), height, width), dtype=torch.bool)
    for planes, slot, real in zip(images, pixels, mask, strict=True):
        high, wide = planes.shape[1:]
        if high > height or wide > width:
            reason = f"is {height}x{width} (height x width), too small for an image of {high}x{wide}"
            raise DataError(reason, item="pad_size")
        scale.write(planes, slot[:, :high, :wide])
        slot[:, high:] = 0
        slot[:, :high, wide:] = 0
        real[:high, :wide] = True
    return pixels, mask


def dtype_of(images: Sequence[Planes], scale: Scale) -> torch.dtype:
    untouched = scale.factor is None and scale.shift is None and scale.divisor is None
    return torch.uint8 if untouched and all(planes.dtype == torch.uint8 for planes in images) else torch.float32
