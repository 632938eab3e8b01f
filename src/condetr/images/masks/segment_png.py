"""The PNG of COCO's panoptic format: a color for every segment, black for no segment.

The number of a segment is red + 256 green + 65536 blue.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, Int64
from PIL import Image
from torch import Tensor

from condetr.core.errors import AnnotationError
from condetr.images.decoding.decode import decode_as_stored
from condetr.images.drawing.colors import shades_of

LARGEST = 2**24 - 1  # three bytes


def segment_numbers(path: Path) -> Int64[Tensor, "height width"]:
    """The segment number of each pixel; 0 is none.

    Raises:
        AnnotationError: not an RGB image.
        ImageError: it cannot be read.
    """
    image = decode_as_stored(path)
    if image.mode != "RGB":
        raise AnnotationError(f"is an image of mode {image.mode}, expected RGB", source=path, item="file_name")
    red, green, blue = np.asarray(image).astype(np.int64).transpose(2, 0, 1)
    return torch.from_numpy(red + 256 * green + 65536 * blue)


def image_of_numbers(numbers: Int[Tensor, "height width"]) -> Image.Image:
    """The inverse of ``segment_numbers``; store it lossless."""
    channels = [(numbers.cpu().numpy() >> shift & 255).astype(np.uint8) for shift in (0, 8, 16)]
    return Image.fromarray(np.stack(channels, axis=2))


def numbers_of(labels: Iterable[int]) -> list[int]:
    """A distinct number for each segment, whose color is a shade of the color of its class."""
    taken = {0}
    numbers = []
    for red, green, blue in shades_of(labels):
        number = red + 256 * green + 65536 * blue
        while number in taken:
            number = number % LARGEST + 1
        taken.add(number)
        numbers.append(number)
    return numbers
