"""Every accepted form of an image, or of several, as checked images."""

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

ImageInput: TypeAlias = Source | Array


def image_of(image: ImageInput, *, pixel_limit: Limit = "default", may_be_mapped: bool = False) -> UprightImage:
    """One upright RGB image from a path, encoded bytes, a binary stream, a PIL image or an array.

    With ``may_be_mapped``, a large one may be a `MappedImage`; see `decode`.

    Raises:
        ImageError: not a usable image.
    """
    if isinstance(image, str | os.PathLike | Encoded | Readable | Image.Image):
        return decode(image, pixel_limit=pixel_limit, may_be_mapped=may_be_mapped)
    return image_of_array(image)


def pil_of(image: UprightImage) -> Image.Image:
    """The image as a PIL image of bytes."""
    if isinstance(image, Image.Image):
        return image
    return Image.fromarray(image.round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy())


def images_of(
    images: Any, *, input_data_format: object = None, rescaled: bool = True, channels: int = 3
) -> list[UprightImage]:
    """The images in one image, a batch array of four axes, or a list of any of them: RGB for three ``channels``.

    PIL images are not turned, whatever their EXIF orientation: the caller knows their size and expects boxes that
    fit it. Files are turned upright.

    Raises:
        ImageError: one is not a usable image.
        UsageError: there is no image.
    """
    if isinstance(images, Image.Image):
        return [_planes_unless_rgb(bands_of(images, channels, name_of(images)))]
    if isinstance(images, str | os.PathLike | Encoded | Readable):
        return [_planes_unless_rgb(decode(images, channels=channels))]
    if isinstance(images, list | tuple) and not _is_numbers(images):
        flat = [
            image
            for nested in images
            for image in images_of(nested, input_data_format=input_data_format, rescaled=rescaled, channels=channels)
        ]
        if not flat:
            raise UsageError("no image was given", item="images")
        return flat
    batch = np.asarray(images) if isinstance(images, list | tuple) else images
    if not isinstance(batch, np.ndarray | Tensor):
        reason = f"{type(images).__name__} is not an image; expected a path, a PIL image, an array or a tensor"
        raise UsageError(reason, item="images")
    each = batch if batch.ndim == 4 else [batch]
    options: dict[str, Any] = {"input_data_format": input_data_format, "rescaled": rescaled, "channels": channels}
    return [image_of_array(array, **options) for array in each]


def _planes_unless_rgb(image: Image.Image) -> UprightImage:
    if image.mode == "RGB":
        return image
    levels = torch.from_numpy(np.array(image))
    return levels[None] if levels.ndim == 2 else levels.permute(2, 0, 1)


def _is_numbers(nested: list[Any] | tuple[Any, ...]) -> bool:
    """Whether a nested list is one array of numbers."""
    first: Any = nested
    while isinstance(first, list | tuple) and first:
        first = first[0]
    return isinstance(first, int | float)
