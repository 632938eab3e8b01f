"""The paper of all charts and figures: its inks, blocks of text, color keys, and tiles in rows and columns."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

from condetr.images.drawing.colors import Color
from condetr.images.drawing.marks import font_of, one_line

INK, QUIET, FAINT, PAPER = (40, 40, 40), (105, 105, 105), (225, 225, 225), (255, 255, 255)
TITLE, TEXT = 16, 13  # font sizes of charts
_LONGEST = 24  # characters of a name


def tiled(tiles: Sequence[Image.Image], columns: int, *, gap: int = 0, margin: int = 0) -> Image.Image:
    """Tiles row by row; a column is as wide as its widest tile, a row as high as its highest."""
    tiles = tiles or [Image.new("RGB", (1, 1), PAPER)]
    columns = max(1, min(columns, len(tiles)))
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    widths = [max(tile.width for tile in tiles[column::columns]) for column in range(columns)]
    heights = [max(tile.height for tile in row) for row in rows]
    width, height = (sum(sides) + gap * (len(sides) - 1) + 2 * margin for sides in (widths, heights))
    paper, top = Image.new("RGB", (width, height), PAPER), margin
    for row, row_height in zip(rows, heights, strict=True):
        left = margin
        for tile, tile_width in zip(row, widths, strict=False):
            paper.paste(tile, (left, top))
            left += tile_width + gap
        top += row_height + gap
    return paper


def text_block(lines: Sequence[str], *, head: int = TEXT, size: int = TEXT, width: int | None = None) -> Image.Image:
    """Lines below each other, the first of font size ``head`` and darker; with ``width`` they are centered in it."""
    fonts = [font_of(size if number else head) for number in range(len(lines))]
    lengths = [font.getlength(line) for font, line in zip(fonts, lines, strict=True)]
    steps = [round(font.size) + 6 for font in fonts]
    paper = Image.new("RGB", (width or max(1, math.ceil(max(lengths))), sum(steps)), PAPER)
    pen, top = ImageDraw.Draw(paper), 0
    for number, (line, font, length) in enumerate(zip(lines, fonts, lengths, strict=True)):
        left = (width - length) / 2 if width else 0
        pen.text((left, top), line, fill=QUIET if number else INK, font=font)
        top += steps[number]
    return paper


def color_key(entries: Iterable[tuple[str, Color]]) -> Image.Image:
    """A square of each color with its name."""
    parts = []
    for name, color in entries:
        square = Image.new("RGB", (13, 17), PAPER)
        square.paste(color, (0, 4, 13, 17))
        parts += [square, text_block([f"{short_name(name)}   "])]
    return tiled(parts, len(parts), gap=5)


def short_name(name: str) -> str:
    """One line of at most 24 characters."""
    return one_line(name, _LONGEST)


class Row(NamedTuple):
    """Attributes: the name of a row, with lines that explain it; its tiles."""

    lines: Sequence[str]
    tiles: Sequence[Image.Image]


def table(columns: Sequence[str], rows: Sequence[Row]) -> Image.Image:
    """A row of tiles each; names of columns (a second line is quieter) above, what each row shows at the left."""
    width = rows[0].tiles[0].width
    cells = [text_block([""]), *(text_block(name.split("\n"), head=14, width=width) for name in columns)]
    for row in rows:
        cells += [text_block(row.lines, head=15, size=12), *row.tiles]
    return tiled(cells, 1 + len(columns), gap=6)


def page(title: str, lines: Sequence[str], parts: Sequence[Image.Image]) -> Image.Image:
    """A title, lines that explain, and parts one above the other."""
    return tiled([text_block([title, *lines], head=20), *parts], 1, gap=12, margin=18)
