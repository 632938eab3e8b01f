"""Labelled pictures side by side, their boxes drawn: to see in a glance whether labels fit."""

from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from condetr.data.classes import Classes
from condetr.data.object_masks import object_masks
from condetr.data.records import Box, Dataset, Example
from condetr.images.colours import Colour, colour_of, ink_on, shades_of
from condetr.images.decode import decode
from condetr.images.labels import resized_bits
from condetr.images.tint import tinted

_GAP = 6  # pixels between pictures
_PAPER, _CROWD = (255, 255, 255), (128, 128, 128)
_LARGEST_SCALE = 3.0  # a small picture is enlarged until its boxes can be told apart


def grid(
    dataset: Dataset, positions: Iterable[int], *, masks: bool = False, columns: int = 4, side: int = 320
) -> Image.Image:
    """The pictures at these positions, each fitted into a square of ``side`` pixels. Crowds are gray.

    With ``masks``, of a data set that was read with them, objects are tinted; stuff has no box.

    Raises:
        ImageError: a picture cannot be decoded.
    """
    tiles = [_tile(dataset[position], dataset.classes, side, masks=masks) for position in positions]
    columns = max(1, min(columns, len(tiles)))
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    heights = [max(tile.height for tile in row) for row in rows]
    sheet = Image.new("RGB", (columns * (side + _GAP) + _GAP, sum(heights) + (len(rows) + 1) * _GAP), _PAPER)
    top = _GAP
    for row, height in zip(rows, heights, strict=True):
        for column, tile in enumerate(row):
            left = _GAP + column * (side + _GAP) + (side - tile.width) // 2
            sheet.paste(tile, (left, top + (height - tile.height) // 2))
        top += height + _GAP
    return sheet


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
    canvas = ImageDraw.Draw(tile)
    font = ImageFont.load_default(max(10, side // 36))
    for one in example.crowds:
        _mark(canvas, _scaled(one.box, scale), f"{names[one.label]} (crowd)", _CROWD, font)
    for one in example.objects:
        if masks and one.label in classes.stuff:
            continue
        _mark(canvas, _scaled(one.box, scale), names[one.label], colour_of(one.label), font)
    return tile


def _tinted(tile: Image.Image, example: Example) -> Image.Image:
    colours = [_CROWD] * len(example.crowds) + shades_of(one.label for one in example.objects)
    each = object_masks(example, (*example.crowds, *example.objects))
    bits = resized_bits(each, (tile.height, tile.width)).numpy()
    largest_first = np.argsort([-one.sum() for one in bits], kind="stable").tolist()
    return tinted(tile, ((bits[place], colours[place]) for place in largest_first))


def _mark(
    canvas: ImageDraw.ImageDraw,
    box: Box,
    name: str,
    colour: Colour,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    canvas.rectangle(box, outline=colour, width=2)
    left, top, right, bottom = canvas.textbbox((box[0], box[1]), name, font=font, anchor="lb")
    down = max(0.0, -top)  # into the picture again, where the box is at its upper edge
    canvas.rectangle((left - 1, top + down, right + 1, bottom + down), fill=colour)
    canvas.text((box[0], box[1] + down), name, fill=ink_on(colour), font=font, anchor="lb")


def _scaled(box: Box, scale: float) -> Box:
    x1, y1, x2, y2 = (edge * scale for edge in box)
    return x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)
