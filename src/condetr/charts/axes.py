"""The little that charts need: axes from 0 to 1 with lines, tables of counts as colors, bars. Painted with PIL."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from condetr.images.drawing.colors import Color, ink_on
from condetr.images.drawing.marks import font_of, one_line

INK, FAINT, PAPER = (40, 40, 40), (225, 225, 225), (255, 255, 255)
_DEEPEST = (20, 60, 120)  # of a table of counts
_FINER = 2  # lines are drawn larger and shrunk, so that they are smooth
_MARGIN = 16
_LONGEST = 24  # characters of a name
_NAMED, _LARGEST = 200, 3000  # rows of a table of counts that are named, and pixels of the side of one without names
_LEFT, _TOP, _BOTTOM, _SIDE = 64, 68, 52, 520  # of axes, in pixels


class Line(NamedTuple):
    name: str
    points: Sequence[tuple[float, float]]
    color: Color
    width: int


def lines_chart(title: str, across: str, up: str, lines: Sequence[Line]) -> Image.Image:
    """Lines over axes from 0 to 1, their names at the right."""
    font = font_of(13 * _FINER)
    names = max((font.getlength(_short(line.name)) for line in lines), default=0.0) / _FINER
    width = _LEFT + _SIDE + 44 + names
    height = _TOP + max(_SIDE, 20 * len(lines)) + _BOTTOM
    chart = Image.new("RGB", (round(width * _FINER), height * _FINER), PAPER)
    pen = ImageDraw.Draw(chart)
    pen.text((_LEFT * _FINER, 14 * _FINER), title, fill=INK, font=font_of(16 * _FINER))
    _draw_axes(pen, font, across, up)
    for row, line in reversed(list(enumerate(lines))):  # the first on top
        for one, other in pairwise(point for point in line.points if all(-1 <= number <= 2 for number in point)):
            pen.line((_at(*one), _at(*other)), fill=line.color, width=line.width * _FINER)
        x, y = _at(1.0, 1.0)
        x, y = x + 14 * _FINER, y + (10 + 20 * row) * _FINER
        pen.line(((x, y), (x + 18 * _FINER, y)), fill=line.color, width=max(line.width, 2) * _FINER)
        pen.text((x + 24 * _FINER, y), _short(line.name), fill=INK, font=font, anchor="lm")
    return chart.resize((chart.width // _FINER, chart.height // _FINER), Image.Resampling.LANCZOS)


def _draw_axes(pen: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont, across: str, up: str) -> None:
    gap = 8 * _FINER
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        pen.line((_at(0.0, tick), _at(1.0, tick)), fill=FAINT, width=_FINER)
        pen.line((_at(tick, 0.0), _at(tick, 1.0)), fill=FAINT, width=_FINER)
        (left, y), (x, bottom) = _at(0.0, tick), _at(tick, 0.0)
        pen.text((left - gap, y), f"{tick:g}", fill=INK, font=font, anchor="rm")
        pen.text((x, bottom + gap), f"{tick:g}", fill=INK, font=font, anchor="mt")
    (left, top), (middle, bottom) = _at(0.0, 1.0), _at(0.5, 0.0)
    pen.text((middle, bottom + 28 * _FINER), across, fill=INK, font=font, anchor="mt")
    pen.text((left, top - gap), up, fill=INK, font=font, anchor="lb")


def _at(x: float, y: float) -> tuple[float, float]:
    """The pixel of a point on axes from 0 to 1."""
    return (_LEFT + x * _SIDE) * _FINER, (_TOP + (1 - y) * _SIDE) * _FINER


def counts_table(
    title: str, down: str, across: str, names: Sequence[str], counts: Sequence[Sequence[int]]
) -> Image.Image:
    """Counts as colors, a row for each name: the larger the count in its row, the darker."""
    cell = 44 if len(names) <= 16 else 28 if len(names) <= 40 else 18 if len(names) <= _NAMED else 1
    if cell == 1:
        return _unnamed_table(title, down, across, counts)
    font, small = font_of(13 if cell > 18 else 11), font_of(12 if cell > 28 else 9)
    margin = round(max((font.getlength(_short(name)) for name in names), default=0.0)) + _MARGIN + 8
    top = margin + 56
    extent = len(names) * cell
    width = max(margin + extent + _MARGIN, round(font_of(16).getlength(title)) + 2 * _MARGIN)
    chart = Image.new("RGB", (width, top + extent + _MARGIN), PAPER)
    pen = ImageDraw.Draw(chart)
    pen.text((_MARGIN, 14), title, fill=INK, font=font_of(16))
    pen.text((_MARGIN, 38), f"{down} in rows, {across} in columns", fill=INK, font=font)
    for place, name in enumerate(names):
        middle = place * cell + cell / 2
        pen.text((margin - 8, top + middle), _short(name), fill=INK, font=font, anchor="rm")
        _upright_text(chart, _short(name), font, round(margin + middle), top - 6)
    for row, line in enumerate(counts):
        most = max(*line, 1)
        for column, number in enumerate(line):
            x, y = margin + column * cell, top + row * cell
            color = _between(PAPER, _DEEPEST, number / most)
            pen.rectangle((x, y, x + cell - 1, y + cell - 1), fill=color, outline=FAINT)
            if number and small.getlength(str(number)) < cell - 2:
                pen.text((x + cell / 2, y + cell / 2), str(number), fill=ink_on(color), font=small, anchor="mm")
    return chart


def _unnamed_table(title: str, down: str, across: str, counts: Sequence[Sequence[int]]) -> Image.Image:
    """Of more rows than can be named: a pixel each, or less."""
    table = np.asarray(counts, dtype=np.float64)
    shares = (table / np.maximum(table.max(axis=1, keepdims=True), 1))[..., None]
    pixels = np.round(np.array(PAPER) + shares * np.subtract(_DEEPEST, PAPER)).astype(np.uint8)
    side = min(max(len(table), 3 * _SIDE), _LARGEST)
    image = Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX)
    chart = Image.new("RGB", (side + 2 * _MARGIN, side + 64 + _MARGIN), PAPER)
    pen = ImageDraw.Draw(chart)
    pen.text((_MARGIN, 14), title, fill=INK, font=font_of(16))
    said = f"{down} in rows, {across} in columns: {len(table)}, by name in confusion.csv"
    pen.text((_MARGIN, 38), said, fill=INK, font=font_of(13))
    chart.paste(image, (_MARGIN, 64))
    return chart


def bars_chart(title: str, bars: Sequence[tuple[str, float, str, Color]], *, width: int = 420) -> Image.Image:
    """Bars of (name, value, what to write at its end, color) to the right; the longest fills the width."""
    font, step = font_of(14), 34
    left = round(max((font.getlength(_short(name)) for name, *_ in bars), default=0.0)) + 2 * _MARGIN
    written = round(max((font.getlength(_short(text)) for _, _, text, _ in bars), default=0.0)) + 2 * _MARGIN
    size = max(left + width + written, round(font_of(16).getlength(title)) + 2 * _MARGIN)
    chart = Image.new("RGB", (size, 48 + step * len(bars) + 8), PAPER)
    pen = ImageDraw.Draw(chart)
    pen.text((_MARGIN, 14), title, fill=INK, font=font_of(16))
    longest = max((value for _, value, _, _ in bars if 0 < value < math.inf), default=1.0)
    for row, (name, value, text, color) in enumerate(bars):
        middle = 48 + step * row + step / 2
        end = left + round(min(max(value, 0.0) / longest, 1.0) * width if not math.isnan(value) else 0)
        pen.text((left - 8, middle), _short(name), fill=INK, font=font, anchor="rm")
        pen.rectangle((left, middle - 10, max(end, left + 1), middle + 10), fill=color)
        pen.text((end + 8, middle), _short(text), fill=INK, font=font, anchor="lm")
    return chart


def stacked(charts: Sequence[Image.Image]) -> Image.Image:
    """One above the other."""
    sheet = Image.new("RGB", (max(chart.width for chart in charts), sum(chart.height for chart in charts)), PAPER)
    top = 0
    for chart in charts:
        sheet.paste(chart, (0, top))
        top += chart.height
    return sheet


def _upright_text(chart: Image.Image, text: str, font: ImageFont.FreeTypeFont, middle: int, foot: int) -> None:
    """Text that is read from the right, from ``foot`` upwards."""
    label = Image.new("RGB", (round(font.getlength(text)) + 2, sum(font.getmetrics())), PAPER)
    ImageDraw.Draw(label).text((0, 0), text, fill=INK, font=font)
    turned = label.transpose(Image.Transpose.ROTATE_90)
    chart.paste(turned, (middle - turned.width // 2, foot - turned.height))


def _short(name: str) -> str:
    return one_line(name, _LONGEST)


def _between(one: Color, other: Color, share: float) -> Color:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
