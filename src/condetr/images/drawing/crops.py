"""The detected objects cut out of their image, and names for them by class."""

import math
import re
from collections.abc import Iterator, Sequence

from jaxtyping import Float
from PIL import Image
from torch import Tensor

_NOT_IN_NAMES = re.compile(r"[^\w .()+-]")
_LONGEST = 60  # characters; four bytes each at most


def crops_of(canvas: Image.Image, boxes: Float[Tensor, "_detections 4"]) -> Iterator[Image.Image]:
    """Each box, in whole pixels around it; at least one pixel."""
    for x1, y1, x2, y2 in boxes.tolist():
        left, top = (
            min(max(math.floor(low), 0), side - 1)
            for low, side in zip((x1, y1), (canvas.width, canvas.height), strict=True)
        )
        right, bottom = max(left + 1, math.ceil(x2)), max(top + 1, math.ceil(y2))
        yield canvas.crop((left, top, min(right, canvas.width), min(bottom, canvas.height)))


def crop_files(name: str, classes: Sequence[str]) -> list[str]:
    """The file of each crop of an image: a folder for each class, the name of the image, and a number from 1."""
    return [f"{_folder_of(of_class)}/{name}-{number}.jpg" for number, of_class in enumerate(classes, start=1)]


def _folder_of(name: str) -> str:
    return _NOT_IN_NAMES.sub("_", name)[:_LONGEST].strip(" .") or "_"
