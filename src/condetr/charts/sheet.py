"""Tiles in rows and columns with their names, a title above and a legend below: the paper that figures are drawn on."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from condetr.images.drawing.colors import HEAT_SCALE
from condetr.images.drawing.marks import font_of, paint_point

INK, QUIET, PAPER = (30, 30, 30), (105, 105, 105), (255, 255, 255)
MARGIN, GAP = 18, 6


@dataclass(frozen=True, slots=True)
class Row:
    """Tiles of one size, and the lines that say what they show; the first is its name."""

    said: Sequence[str]
    tiles: Sequence[Image.Image]
    below: Sequence[str] = field(default=())  # a word under each tile


def table(columns: Sequence[str], rows: Sequence[Row]) -> Image.Image:
    """A row of tiles each, names of columns above, what each row shows at the left."""
    name_font, quiet_font = font_of(15), font_of(12)
    said = [line for row in rows for line in _lines(row, name_font, quiet_font)]
    left = round(max((font.getlength(line) for line, font in said), default=0.0)) + GAP * 2
    tile = rows[0].tiles[0]
    above = 2 * 17 if any("\n" in name for name in columns) else 20
    step = tile.height + GAP + (15 if any(row.below for row in rows) else 0)
    width = left + len(columns) * (tile.width + GAP)
    paper = Image.new("RGB", (width, above + GAP + len(rows) * step), PAPER)
    pen = ImageDraw.Draw(paper)
    for column, name in enumerate(columns):
        middle = left + column * (tile.width + GAP) + tile.width / 2
        for number, line in enumerate(name.split("\n")):
            pen.text((middle, number * 17), line, fill=QUIET if number else INK, font=font_of(14), anchor="ma")
    top = above + GAP
    for row in rows:
        y = float(top)
        for line, font in _lines(row, name_font, quiet_font):
            pen.text((0, y), line, fill=INK if font is name_font else QUIET, font=font)
            y += font.size + 5
        for column, image in enumerate(row.tiles):
            x = left + column * (tile.width + GAP)
            paper.paste(image, (x, top))
            if row.below:
                middle = x + tile.width / 2
                pen.text((middle, top + tile.height + 2), row.below[column], fill=QUIET, font=quiet_font, anchor="mt")
        top += step
    return paper


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile with its name."""

    image: Image.Image
    name: str


def grid(tiles: Sequence[Tile], columns: int) -> Image.Image:
    """Tiles row by row, their names above; a name that is too long is cut."""
    font = font_of(14)
    width = max(tile.image.width for tile in tiles) + GAP
    height = max(tile.image.height for tile in tiles) + 20 + GAP
    paper = Image.new("RGB", (width * min(columns, len(tiles)), height * -(-len(tiles) // columns)), PAPER)
    pen = ImageDraw.Draw(paper)
    for place, tile in enumerate(tiles):
        x, y = place % columns * width, place // columns * height
        pen.text((x, y), shortened(tile.name, font, width - 2 * GAP), fill=INK, font=font)
        paper.paste(tile.image, (x, y + 20))
    return paper


def shortened(text: str, font: ImageFont.FreeTypeFont, width: float | int) -> str:
    """With its middle left out until it fits."""
    kept = text
    while font.getlength(kept) > width and len(text) > 2:
        middle = len(text) // 2
        text = text[: middle - 1] + text[middle:]
        kept = f"{text[: (middle - 1)]}…{text[(middle - 1) :]}"
    return kept


def _lines(
    row: Row, name_font: ImageFont.FreeTypeFont, quiet_font: ImageFont.FreeTypeFont
) -> list[tuple[str, ImageFont.FreeTypeFont]]:
    return [(line, quiet_font if number else name_font) for number, line in enumerate(row.said)]


def legend(most: str, *, box: str = "", point: str = "") -> Image.Image:
    """What the brightest color and the marks mean; marks without a meaning are left out."""
    font, height = font_of(13), 22
    paper = Image.new("RGB", (round(font.getlength(most + box + point)) + 560, height), PAPER)
    pen, x = ImageDraw.Draw(paper), 0.0

    def say(text: str) -> None:
        nonlocal x
        pen.text((x, height / 2), text, fill=INK, font=font, anchor="lm")
        x += font.getlength(text) + 8

    say("attention: none")
    bar = np.repeat(HEAT_SCALE[None, ::2], height - 8, axis=0).round().astype(np.uint8)
    paper.paste(Image.fromarray(bar), (round(x), 4))
    x += bar.shape[1] + 8
    say(most)
    if box:
        x += 22
        pen.rectangle((x, 3, x + 22, 18), fill=(90, 90, 90), outline=(0, 0, 0))
        pen.rectangle((x + 2, 5, x + 20, 16), outline=(255, 255, 255), width=2)
        x += 30
        say(box)
    if point:
        x += 28
        paint_point(paper, (x, height / 2), 5)
        x += 12
        say(point)
    return paper.crop((0, 0, round(x), height))


def page(title: str, said: Sequence[str], parts: Sequence[Image.Image]) -> Image.Image:
    """A title, lines that explain, and parts one above the other."""
    title_font, font = font_of(20), font_of(13)
    widths = [title_font.getlength(title), *(font.getlength(line) for line in said), *(part.width for part in parts)]
    head = 30 + 19 * len(said) + 8
    size = round(max(widths)) + 2 * MARGIN, MARGIN * 2 + head + sum(part.height + 12 for part in parts)
    paper = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(paper)
    pen.text((MARGIN, MARGIN), title, fill=INK, font=title_font)
    for number, line in enumerate(said):
        pen.text((MARGIN, MARGIN + 30 + 19 * number), line, fill=QUIET, font=font)
    top = MARGIN + head
    for part in parts:
        paper.paste(part, (MARGIN, top))
        top += part.height + 12
    return paper


def beside(one: Image.Image, other: Image.Image, *, gap: int = 24) -> Image.Image:
    """Side by side, their upper edges level."""
    paper = Image.new("RGB", (one.width + gap + other.width, max(one.height, other.height)), PAPER)
    paper.paste(one, (0, 0))
    paper.paste(other, (one.width + gap, 0))
    return paper
