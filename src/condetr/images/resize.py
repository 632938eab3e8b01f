"""Resampling an image, with the numbers of torchvision or of PIL.

The two differ by at most one gray level. Both filter over all pixels that shrink into one (antialiasing).
"""

import platform
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Shaped
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from condetr.core.errors import SettingsError
from condetr.images.decoding.pillow_memory import pixels_in_place, pixels_of
from condetr.images.sizes import HeightWidth, Numerics

UprightImage: TypeAlias = Image.Image | Shaped[Tensor, "channels _height _width"]  # upright; RGB if of PIL
Planes: TypeAlias = Shaped[Tensor, "channels _height _width"]  # any memory order; perhaps the image's own memory

_MODES = {
    Image.Resampling.NEAREST: "nearest-exact",
    Image.Resampling.BILINEAR: "bilinear",
    Image.Resampling.BICUBIC: "bicubic",
    Image.Resampling.LANCZOS: "lanczos",
}
_NARROW = {  # what interpolate ends up calling; called directly it writes where it is told to
    "bilinear": torch.ops.aten._upsample_bilinear2d_aa.out,
    "bicubic": torch.ops.aten._upsample_bicubic2d_aa.out,
}
_BAND = 128  # rows read at once from a large image: few calls, and they stay in the processor's cache


def size_of_image(image: UprightImage) -> HeightWidth:
    if isinstance(image, Image.Image):
        return image.height, image.width
    return image.shape[1], image.shape[2]


def planes_of(image: UprightImage) -> Planes:
    """The image as it is, channels first."""
    return pixels_of(image).permute(2, 0, 1)[:3] if isinstance(image, Image.Image) else image


def resize(image: UprightImage, size: HeightWidth, resample: Image.Resampling, numerics: Numerics) -> Planes:
    if numerics == "pil":
        return _resize_pil(image, size, resample)
    mode = mode_of(resample)
    if not isinstance(image, Image.Image):
        return _interpolated(image, size, mode)
    in_place = pixels_in_place(image)
    if in_place is not None:
        return _interpolated(in_place.permute(2, 0, 1), size, mode)[:3]
    if _rounds_between_passes(mode):
        return _resize_bands(image, size, mode)
    return _interpolated(pixels_of(image).permute(2, 0, 1), size, mode)[:3]


def mode_of(resample: Image.Resampling) -> str:
    """Torch's name of the filter, which torchvision uses.

    Raises:
        SettingsError: it has none.
    """
    if resample not in _MODES:
        given, known = resample.name, ", ".join(known.name for known in _MODES)
        raise SettingsError(f"torchvision has no {given} filter, only {known}", item="resample")
    return _MODES[resample]


def _resize_bands(image: Image.Image, size: HeightWidth, mode: str) -> Planes:
    """First the width, a band of rows at a time, then the height: the same two passes as at once."""
    _, width = size
    narrowed: Tensor | None = None
    for top in range(0, image.height, _BAND):
        bottom = min(top + _BAND, image.height)
        band = pixels_of(image.crop((0, top, image.width, bottom))).permute(2, 0, 1)
        if narrowed is None:
            narrowed = torch.empty((image.height, width, len(band)), dtype=torch.uint8).permute(2, 0, 1)
        target = narrowed[None, :, top:bottom]
        _NARROW[mode](band[None], [bottom - top, width], align_corners=False, out=target)
    assert narrowed is not None
    return _interpolated(narrowed, size, mode)[:3]


def _interpolated(planes: Tensor, size: HeightWidth, mode: str) -> Tensor:
    """What torchvision's resize does to one image, without its import, which takes a second.

    Bytes stay bytes where torch can filter them; elsewhere they are filtered as numbers and rounded.
    """
    if planes.shape[1:] == size:
        return planes
    nearest = mode == "nearest-exact"
    as_they_are = planes.dtype in (torch.float32, torch.float64) or (planes.dtype == torch.uint8 and _knows_bytes(mode))
    numbers = planes if as_they_are else planes.float()
    # a batch of one whose strides leave no doubt about the memory order, which torch then keeps
    one = numbers.as_strided((1, *numbers.shape), (numbers.numel(), *numbers.stride()))
    aligned = {} if nearest else {"align_corners": False, "antialias": True}
    (resized,) = interpolate(one, size, mode=mode, **aligned)
    if resized.dtype == planes.dtype:
        return resized
    return (resized if planes.dtype.is_floating_point else resized.round_()).to(planes.dtype)


def _knows_bytes(mode: str) -> bool:
    """Whether torch has the filter for bytes on this processor."""
    return mode != "bilinear" or _rounds_between_passes(mode) or platform.machine() in ("aarch64", "arm64")


def _rounds_between_passes(mode: str) -> bool:
    """Whether torch keeps bytes between the two passes, so that they may be done one after the other."""
    return mode in _NARROW and torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


def _resize_pil(image: UprightImage, size: HeightWidth, resample: Image.Resampling) -> Planes:
    height, width = size
    if isinstance(image, Image.Image):
        return planes_of(image.resize((width, height), resample))
    if image.dtype == torch.uint8 and len(image) == 3:
        pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
        return planes_of(Image.fromarray(pixels).resize((width, height), resample))
    planes = (image if image.dtype == torch.uint8 else image.float()).numpy()  # four are no RGBA: plane by plane
    resized = (Image.fromarray(plane).resize((width, height), resample) for plane in planes)
    return torch.from_numpy(np.stack([np.asarray(plane) for plane in resized]))
