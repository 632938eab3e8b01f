"""Resampling a picture, with the numbers of torchvision or of PIL.

The two differ by at most one gray level. Both filter over all pixels that shrink into one (antialiasing).
"""

from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import Shaped
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2.functional import resize as torchvision_resize

from condetr.core.errors import SettingsError
from condetr.images.memory import pixels_in_place, pixels_of
from condetr.images.sizes import HeightWidth, Numerics

Picture: TypeAlias = Image.Image | Shaped[Tensor, "3 _height _width"]  # upright RGB
Planes: TypeAlias = Shaped[Tensor, "3 _height _width"]  # any memory order; perhaps the picture's own memory

_MODES = {
    Image.Resampling.NEAREST: InterpolationMode.NEAREST_EXACT,
    Image.Resampling.BILINEAR: InterpolationMode.BILINEAR,
    Image.Resampling.BICUBIC: InterpolationMode.BICUBIC,
    Image.Resampling.LANCZOS: InterpolationMode.LANCZOS,
}
_NARROW = {  # what torchvision ends up calling; called directly it writes where it is told to
    InterpolationMode.BILINEAR: torch.ops.aten._upsample_bilinear2d_aa.out,
    InterpolationMode.BICUBIC: torch.ops.aten._upsample_bicubic2d_aa.out,
}
_BAND = 128  # rows read at once from a large picture: few calls, and they stay in the processor's cache


def size_of_picture(picture: Picture) -> HeightWidth:
    if isinstance(picture, Image.Image):
        return picture.height, picture.width
    return picture.shape[1], picture.shape[2]


def planes_of(picture: Picture) -> Planes:
    """The picture as it is, channels first."""
    return pixels_of(picture).permute(2, 0, 1)[:3] if isinstance(picture, Image.Image) else picture


def resize(picture: Picture, size: HeightWidth, resample: Image.Resampling, numerics: Numerics) -> Planes:
    if numerics == "pil":
        return _resize_pil(picture, size, resample)
    mode = mode_of(resample)
    if not isinstance(picture, Image.Image):
        return torchvision_resize(picture, list(size), mode)
    in_place = pixels_in_place(picture)
    if in_place is not None:
        return torchvision_resize(in_place.permute(2, 0, 1), list(size), mode)[:3]
    if _rounds_between_passes(mode):
        return _resize_bands(picture, size, mode)
    return torchvision_resize(pixels_of(picture).permute(2, 0, 1), list(size), mode)[:3]


def mode_of(resample: Image.Resampling) -> InterpolationMode:
    """Torchvision's filter of the same name.

    Raises:
        SettingsError: it has none.
    """
    if resample not in _MODES:
        given, known = resample.name, ", ".join(known.name for known in _MODES)
        raise SettingsError(f"torchvision has no {given} filter, only {known}", item="resample")
    return _MODES[resample]


def _resize_bands(picture: Image.Image, size: HeightWidth, mode: InterpolationMode) -> Planes:
    """First the width, a band of rows at a time, then the height: the same two passes as at once."""
    height, width = size
    narrowed: Tensor | None = None
    for top in range(0, picture.height, _BAND):
        bottom = min(top + _BAND, picture.height)
        band = pixels_of(picture.crop((0, top, picture.width, bottom))).permute(2, 0, 1)
        if narrowed is None:
            narrowed = torch.empty((picture.height, width, len(band)), dtype=torch.uint8).permute(2, 0, 1)
        target = narrowed[None, :, top:bottom]
        _NARROW[mode](band[None], [bottom - top, width], align_corners=False, out=target)
    assert narrowed is not None
    return torchvision_resize(narrowed, [height, width], mode)[:3]


def _rounds_between_passes(mode: InterpolationMode) -> bool:
    """Whether torch keeps bytes between the two passes, so that they may be done one after the other."""
    return mode in _NARROW and torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


def _resize_pil(picture: Picture, size: HeightWidth, resample: Image.Resampling) -> Planes:
    height, width = size
    if isinstance(picture, Image.Image):
        return planes_of(picture.resize((width, height), resample))
    if picture.dtype == torch.uint8:
        pixels = np.ascontiguousarray(picture.permute(1, 2, 0).numpy())
        return planes_of(Image.fromarray(pixels).resize((width, height), resample))
    resized = (Image.fromarray(plane).resize((width, height), resample) for plane in picture.float().numpy())
    return torch.from_numpy(np.stack([np.asarray(plane) for plane in resized]))
