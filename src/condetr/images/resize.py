"""Resampling an image, with the numbers of torchvision or of PIL.

The two differ by at most one gray level. Both antialias: they filter over all pixels that shrink into one.
"""

import functools
import platform
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Shaped
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from condetr.core.errors import SettingsError
from condetr.images.decoding.pillow_memory import pixels_in_place, pixels_of
from condetr.images.sizes import HeightWidth, Numerics

UprightImage: TypeAlias = Image.Image | Shaped[Tensor, "channels _height _width"]  # upright; RGB if it is a PIL image
Planes: TypeAlias = Shaped[Tensor, "channels _height _width"]  # any memory order; may be the image's own memory

_MODES = {
    Image.Resampling.NEAREST: "nearest-exact",
    Image.Resampling.BILINEAR: "bilinear",
    Image.Resampling.BICUBIC: "bicubic",
    Image.Resampling.LANCZOS: "lanczos",
}
_OPERATORS = {"bilinear": "_upsample_bilinear2d_aa", "bicubic": "_upsample_bicubic2d_aa"}  # filter in two passes
_BAND = 128  # rows read at once from a large image: few calls, and they stay in the processor's cache


def size_of_image(image: UprightImage) -> HeightWidth:
    if isinstance(image, Image.Image):
        return image.height, image.width
    return image.shape[1], image.shape[2]


def planes_of(image: UprightImage) -> Planes:
    """The image without resizing, channels first."""
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
    if _rounds_between_passes(mode) and (narrow := _operator_of(mode)) is not None:
        return _resize_bands(image, size, mode, narrow)
    return _interpolated(pixels_of(image).permute(2, 0, 1), size, mode)[:3]


def mode_of(resample: Image.Resampling) -> str:
    """Torch's name of the filter, as torchvision uses it.

    Raises:
        SettingsError: torchvision does not have the filter.
    """
    if resample not in _MODES:
        supported = ", ".join(filter_.name for filter_ in _MODES)
        raise SettingsError(f"torchvision has no {resample.name} filter, only {supported}", item="resample")
    return _MODES[resample]


@functools.cache
def _operator_of(mode: str) -> Callable[..., Any] | None:
    """The operator that ``interpolate`` calls, which can write into a given tensor; None where torch renamed it."""
    try:
        return getattr(torch.ops.aten, _OPERATORS[mode]).out
    except AttributeError:
        return None


def _resize_bands(image: Image.Image, size: HeightWidth, mode: str, narrow: Callable[..., Any]) -> Planes:
    """First the width, a band of rows at a time, then the height: the two passes of the operator."""
    _, width = size
    narrowed: Tensor | None = None
    for top in range(0, image.height, _BAND):
        bottom = min(top + _BAND, image.height)
        band = pixels_of(image.crop((0, top, image.width, bottom))).permute(2, 0, 1)
        if narrowed is None:
            narrowed = torch.empty((image.height, width, len(band)), dtype=torch.uint8).permute(2, 0, 1)
        target = narrowed[None, :, top:bottom]
        narrow(band[None], [bottom - top, width], align_corners=False, out=target)
    assert narrowed is not None
    return _interpolated(narrowed, size, mode)[:3]


def _interpolated(planes: Tensor, size: HeightWidth, mode: str) -> Tensor:
    """The same as torchvision's resize of one image, without the import of torchvision, which takes a second.

    Bytes stay bytes where torch can filter them; elsewhere they are filtered as floats and rounded.
    """
    if planes.shape[1:] == size:
        return planes
    nearest = mode == "nearest-exact"
    direct = planes.dtype in (torch.float32, torch.float64) or (planes.dtype == torch.uint8 and _filters_bytes(mode))
    values = planes if direct else planes.float()
    # a batch of one image whose strides are unambiguous, so that torch keeps the memory order
    batch = values.as_strided((1, *values.shape), (values.numel(), *values.stride()))
    options = {} if nearest else {"align_corners": False, "antialias": True}
    (resized,) = interpolate(batch, size, mode=mode, **options)
    if resized.dtype == planes.dtype:
        return resized
    return (resized if planes.dtype.is_floating_point else resized.round_()).to(planes.dtype)


def _filters_bytes(mode: str) -> bool:
    """Whether torch implements the filter for bytes on this processor."""
    return mode != "bilinear" or _rounds_between_passes(mode) or platform.machine() in ("aarch64", "arm64")


def _rounds_between_passes(mode: str) -> bool:
    """Whether torch rounds to bytes between the two passes, so that they may run separately."""
    return mode in _OPERATORS and torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


def _resize_pil(image: UprightImage, size: HeightWidth, resample: Image.Resampling) -> Planes:
    height, width = size
    if isinstance(image, Image.Image):
        return planes_of(image.resize((width, height), resample))
    if image.dtype == torch.uint8 and len(image) == 3:
        pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
        return planes_of(Image.fromarray(pixels).resize((width, height), resample))
    planes = (
        image if image.dtype == torch.uint8 else image.float()
    ).numpy()  # four channels need not be RGBA: plane by plane
    resized = (Image.fromarray(plane).resize((width, height), resample) for plane in planes)
    return torch.from_numpy(np.stack([np.asarray(plane) for plane in resized]))
