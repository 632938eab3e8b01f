"""Labeled images side by side, their boxes drawn: to see in a glance whether labels fit."""

from collections.abc import Iterable

import numpy as np
from PIL import Image

from condetr.charts.sheet import tiled
from condetr.data.classes import Classes
from condetr.data.object_masks import object_masks
from condetr.data.records import Box, Dataset, Example
from condetr.images.coco_labels.resizing import resized_bits
from condetr.images.decoding.decode import decode
from condetr.images.drawing.colors import Color, color_of, shades_of
from condetr.images.drawing.marks import OccupiedSpace, captioned, font_of, paint_box, paint_tag
from condetr.images.drawing.tint import tinted

_GAP = 6  # pixels between images
_CROWD = (128, 128, 128)
_LARGEST_SCALE = 3.0  # a small image is enlarged until its boxes can be told apart


def grid(
    dataset: Dataset, positions: Iterable[int], *, masks: bool = False, columns: int = 4, side: int = 320
) -> Image.Image:
    """The images at these positions, each fitted into a square of ``side`` pixels, its name below. Crowds are gray.

    With ``masks``, of a data set that was read with them, objects are tinted; stuff has no box.

    Raises:
        ImageError: an image cannot be decoded.
    """
    chosen = [dataset[position] for position in positions]
    names = [dataset.name_of(example) for example in chosen]
    tiles = [
        captioned(_tile(example, dataset.classes, side, masks=masks), name, width=side)
        for example, name in zip(chosen, names, strict=True)
    ]
    return tiled(tiles, columns, gap=_GAP, margin=_GAP)


def evenly_spread(count: int, shown: int) -> list[int]:
    """``shown`` positions from the first to the last of ``count``."""
    shown = min(count, shown)
    return [round(place * (count - 1) / max(1, shown - 1)) for place in range(shown)]


def _tile(example: Example, classes: Classes, side: int, *, masks: bool) -> Image.Image:
    height, width = example.size
    names, scale = classes.names, min(side / max(height, width), _LARGEST_SCALE)
    tile = decode(example.path).resize(
        (max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.LANCZOS
    )
    if masks:
        tile = _tinted(tile, example)
    marks = [(one.box, f"{names[one.label]} (crowd)", _CROWD) for one in example.crowds]
    boxed = (one for one in example.objects if not (masks and one.label in classes.stuff))
    marks += [(one.box, names[one.label], color_of(one.label)) for one in boxed]
    paint_marks(tile, [(_scaled(box, scale), name, color) for box, name, color in marks], max(10, side // 36))
    return tile


def paint_marks(tile: Image.Image, marks: Iterable[tuple[Box, str, Color]], size: int) -> None:
    """Boxes, each with its name above it."""
    font, taken = font_of(size), OccupiedSpace()
    for box, name, color in marks:
        paint_box(tile, box, color)
        paint_tag(tile, (min(box[0], box[2]), min(box[1], box[3])), name, color, font, taken)


def _tinted(tile: Image.Image, example: Example) -> Image.Image:
    colors = [_CROWD] * len(example.crowds) + shades_of(one.label for one in example.objects)
    each = object_masks(example, (*example.crowds, *example.objects))
    bits = resized_bits(each, (tile.height, tile.width)).numpy()
    largest_first = np.argsort([-one.sum() for one in bits], kind="stable").tolist()
    return tinted(tile, ((bits[place], colors[place]) for place in largest_first))


def _scaled(box: Box, scale: float) -> Box:
    x1, y1, x2, y2 = (edge * scale for edge in box)
    return x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)
