"""Whatever may be given as an image, or as several, as checked images."""

import os
from typing import Any, TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from condetr.core.errors import UsageError
from condetr.images.decoding.arrays import Array, image_of_array
from condetr.images.decoding.decode import decode
from condetr.images.decoding.modes import bands_of
from condetr.images.decoding.pixel_limit import Limit
from condetr.images.decoding.sources import Encoded, Readable, Source, name_of
from condetr.images.resize import UprightImage

Given: TypeAlias = Source | Array


def image_of(given: Given, *, pixel_limit: Limit = "default") -> UprightImage:
    """One upright RGB image from a path, encoded bytes, a binary stream, a PIL image or an array.

    Raises:
        ImageError: it is no usable image.
    """
    if isinstance(given, str | os.PathLike | Encoded | Readable | Image.Image):
        return decode(given, pixel_limit=pixel_limit)
    return image_of_array(given)


def pil_of(image: UprightImage) -> Image.Image:
    """The image for PIL, as bytes."""
    if isinstance(image, Image.Image):
        return image
    return Image.fromarray(image.round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy())


def images_of(
    images: Any, *, input_data_format: object = None, rescaled: bool = True, channels: int = 3
) -> list[UprightImage]:
    """The images in one image, a batch array of four axes, or a list of any of them: RGB for three ``channels``.

    PIL images are taken as they lie, whatever their EXIF orientation says: whoever opened one knows its
    size, and expects boxes that fit it. Files are turned upright.

    Raises:
        ImageError: one is no usable image.
        UsageError: there is none.
    """
    if isinstance(images, Image.Image):
        return [_planes_unless_rgb(bands_of(images, channels, name_of(images)))]
    if isinstance(images, str | os.PathLike | Encoded | Readable):
        return [_planes_unless_rgb(decode(images, channels=channels))]
    if isinstance(images, list | tuple) and not _is_numbers(images):
        found = [
            image
            for given in images
            for image in images_of(given, input_data_format=input_data_format, rescaled=rescaled, channels=channels)
        ]
        if not found:
            raise UsageError("no image was given", item="images")
        return found
    batch = np.asarray(images) if isinstance(images, list | tuple) else images
    if not isinstance(batch, np.ndarray | Tensor):
        reason = f"{type(images).__name__} is no image; expected a path, a PIL image, an array or a tensor"
        raise UsageError(reason, item="images")
    each = batch if batch.ndim == 4 else [batch]
    how: dict[str, Any] = {"input_data_format": input_data_format, "rescaled": rescaled, "channels": channels}
    return [image_of_array(one, **how) for one in each]


def _planes_unless_rgb(image: Image.Image) -> UprightImage:
    if image.mode == "RGB":
        return image
    levels = torch.from_numpy(np.array(image))
    return levels[None] if levels.ndim == 2 else levels.permute(2, 0, 1)


def _is_numbers(nested: list[Any] | tuple[Any, ...]) -> bool:
    """Whether a list is itself an array, down to its numbers."""
    first: Any = nested
    while isinstance(first, list | tuple) and first:
        first = first[0]
    return isinstance(first, int | float)
