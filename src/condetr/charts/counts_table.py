"""Tables of counts as colors."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from condetr.charts.sheet import FAINT, INK, PAPER, TEXT, TITLE, short_name
from condetr.images.drawing.colors import ink_on
from condetr.images.drawing.marks import font_of

_DARKEST = (20, 60, 120)
_MARGIN = 16
_NAMED = 200  # the most rows that are named
_LEAST, _LARGEST = 1560, 3000  # pixels of the side of a table without names


def counts_table(
    title: str, down: str, across: str, names: Sequence[str], counts: Sequence[Sequence[int]]
) -> Image.Image:
    """A row for each name: the larger the count in its row, the darker. Of very many rows a pixel each, or less."""
    array = np.asarray(counts, dtype=np.float64)
    shares = (array / np.maximum(array.max(axis=1, keepdims=True), 1))[..., None]
    pixels = np.round(np.array(PAPER) + shares * np.subtract(_DARKEST, PAPER)).astype(np.uint8)
    explained = f"{down} in rows, {across} in columns"
    if len(names) > _NAMED:
        explained = f"{explained}: {len(names)}, by name in confusion.csv"
        side = min(max(len(names), _LEAST), _LARGEST)
        chart = _titled(title, explained, side, 0)
        chart.paste(Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX), (_MARGIN, 64))
        return chart
    cell = 44 if len(names) <= 16 else 28 if len(names) <= 40 else 18
    font, small = font_of(TEXT if cell > 18 else 11), font_of(12 if cell > 28 else 9)
    room = round(max((font.getlength(short_name(name)) for name in names), default=0.0)) + 8
    chart = _titled(title, explained, len(names) * cell, room)
    pen, left, top = ImageDraw.Draw(chart), _MARGIN + room, 64 + room
    for position, name in enumerate(names):
        middle = position * cell + cell // 2
        pen.text((left - 8, top + middle), short_name(name), fill=INK, font=font, anchor="rm")
        _paint_upright(chart, short_name(name), font, left + middle, top - 6)
    for row, line in enumerate(counts):
        for column, number in enumerate(line):
            x, y = left + column * cell, top + row * cell
            red, green, blue = pixels[row, column].tolist()
            pen.rectangle((x, y, x + cell - 1, y + cell - 1), fill=(red, green, blue), outline=FAINT)
            if number and small.getlength(str(number)) < cell - 2:
                ink = ink_on((red, green, blue))
                pen.text((x + cell / 2, y + cell / 2), str(number), fill=ink, font=small, anchor="mm")
    return chart


def _titled(title: str, explained: str, side: int, room: int) -> Image.Image:
    """Paper for a square table of this side, with ``room`` for names at its left and above."""
    width = max(2 * _MARGIN + room + side, round(font_of(TITLE).getlength(title)) + 2 * _MARGIN)
    chart = Image.new("RGB", (width, 64 + room + side + _MARGIN), PAPER)
    pen = ImageDraw.Draw(chart)
    pen.text((_MARGIN, 14), title, fill=INK, font=font_of(TITLE))
    pen.text((_MARGIN, 38), explained, fill=INK, font=font_of(TEXT))
    return chart


def _paint_upright(chart: Image.Image, text: str, font: ImageFont.FreeTypeFont, middle: int, foot: int) -> None:
    """Text that is read from the right, from ``foot`` upwards."""
    label = Image.new("RGB", (round(font.getlength(text)) + 2, sum(font.getmetrics())), PAPER)
    ImageDraw.Draw(label).text((0, 0), text, fill=INK, font=font)
    turned = label.transpose(Image.Transpose.ROTATE_90)
    chart.paste(turned, (middle - turned.width // 2, foot - turned.height))
