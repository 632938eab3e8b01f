"""Labeled images side by side, with their boxes: shows at a glance whether the labels fit."""

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
_LARGEST_SCALE = 3.0  # at most, by which small images are enlarged


def contact_sheet(
    dataset: Dataset, positions: Iterable[int], *, masks: bool = False, columns: int = 4, side: int = 320
) -> Image.Image:
    """The images at these positions, each fitted into a square of ``side`` pixels, its name below. Crowds are gray.

    With ``masks``, of a dataset that was read with them, objects are tinted; stuff has no box.

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


def evenly_spread(count: int, chosen: int) -> list[int]:
    """``chosen`` positions from the first to the last of ``count``."""
    chosen = min(count, chosen)
    return [round(number * (count - 1) / max(1, chosen - 1)) for number in range(chosen)]


def _tile(example: Example, classes: Classes, side: int, *, masks: bool) -> Image.Image:
    height, width = example.size
    names, scale = classes.names, min(side / max(height, width), _LARGEST_SCALE)
    tile = decode(example.image).resize(
        (max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.LANCZOS
    )
    if masks:
        tile = _tinted(tile, example)
    marks = [(crowd.box, f"{names[crowd.label]} (crowd)", _CROWD) for crowd in example.crowds]
    boxed = (labeled for labeled in example.objects if not (masks and labeled.label in classes.stuff))
    marks += [(labeled.box, names[labeled.label], color_of(labeled.label)) for labeled in boxed]
    paint_marks(tile, [(_scaled(box, scale), name, color) for box, name, color in marks], max(10, side // 36))
    return tile


def paint_marks(tile: Image.Image, marks: Iterable[tuple[Box, str, Color]], size: int) -> None:
    """Boxes, each with its name above it."""
    font, taken = font_of(size), OccupiedSpace()
    for box, name, color in marks:
        paint_box(tile, box, color)
        paint_tag(tile, (min(box[0], box[2]), min(box[1], box[3])), name, color, font, taken)


def _tinted(tile: Image.Image, example: Example) -> Image.Image:
    colors = [_CROWD] * len(example.crowds) + shades_of(labeled.label for labeled in example.objects)
    masks = object_masks(example, (*example.crowds, *example.objects))
    bits = resized_bits(masks, (tile.height, tile.width)).numpy()
    largest_first = np.argsort([-mask.sum() for mask in bits], kind="stable").tolist()
    return tinted(tile, ((bits[number], colors[number]) for number in largest_first))


def _scaled(box: Box, scale: float) -> Box:
    x1, y1, x2, y2 = (edge * scale for edge in box)
    return x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)
