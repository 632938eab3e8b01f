"""Bars to the right, for named values, and upright bars side by side, for shares."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

from condetr.charts.sheet import FAINT, INK, PAPER, TEXT, TITLE, color_key, short_name
from condetr.images.drawing.colors import Color
from condetr.images.drawing.marks import font_of, one_line

_MARGIN, _TOP, _STEP, _HALF = 16, 48, 34, 10
_SHARES_SIZE, _SHARES_TOP, _FLOOR = (560, 340), 76, 304
_LONGEST = 16  # characters below an upright bar
_COLORS = ((30, 80, 200), (200, 110, 0), (20, 130, 60), (120, 50, 160))


class Bar(NamedTuple):
    """Attributes: its name, at the left; lengths of its parts with their colors; what to write at its end."""

    name: str
    parts: Sequence[tuple[float, Color]]
    text: str


def bars_chart(
    title: str, bars: Sequence[Bar], *, key: Sequence[tuple[str, Color]] = (), width: int = 420
) -> Image.Image:
    """Bars to the right; the longest is ``width`` pixels long. What is negative, infinite or NaN has no length."""
    font, top = font_of(TEXT), _TOP + (28 if key else 0)
    left, right = (
        round(max((font.getlength(text) for text in texts), default=0.0)) + 2 * _MARGIN
        for texts in ([short_name(bar.name) for bar in bars], [one_line(bar.text) for bar in bars])
    )
    extent = max(left + width + right, round(font_of(TITLE).getlength(title)) + 2 * _MARGIN)
    chart = Image.new("RGB", (extent, top + _STEP * len(bars) + 8), PAPER)
    pen = ImageDraw.Draw(chart)
    pen.text((_MARGIN, 14), title, fill=INK, font=font_of(TITLE))
    if key:
        chart.paste(color_key(key), (left, 46))
    lengths = [[value if 0 < value < math.inf else 0.0 for value, _ in bar.parts] for bar in bars]
    longest = max(map(sum, lengths), default=0.0) or 1.0
    for row, bar in enumerate(bars):
        middle, start = top + _STEP * row + _STEP // 2, float(left)
        for (_, color), length in zip(bar.parts, lengths[row], strict=True):
            end = start + min(length / longest, 1.0) * width
            pen.rectangle((start, middle - _HALF, max(end, start + 1), middle + _HALF), fill=color)
            start = end
        pen.text((left - 8, middle), short_name(bar.name), fill=INK, font=font, anchor="rm")
        pen.text((start + 8, middle), one_line(bar.text), fill=INK, font=font, anchor="lm")
    return chart


def shares_chart(title: str, labels: Sequence[str], shares: Mapping[str, Sequence[float]]) -> Image.Image:
    """Upright bars, for each label one of every name; the highest share is written at the top."""
    chart, font = Image.new("RGB", _SHARES_SIZE, PAPER), font_of(TEXT)
    pen, right = ImageDraw.Draw(chart), chart.width - _MARGIN
    labels = [one_line(label, _LONGEST) for label in labels]
    colors = {name: _COLORS[number % len(_COLORS)] for number, name in enumerate(shares)}
    highest = max((max(heights) for heights in shares.values() if len(heights)), default=0.0)
    pen.text((_MARGIN, 14), title, fill=INK, font=font_of(TITLE))
    chart.paste(color_key(colors.items()), (_MARGIN, 40))
    pen.line((_MARGIN, _FLOOR, right, _FLOOR), fill=INK)
    pen.line((_MARGIN, _SHARES_TOP, right, _SHARES_TOP), fill=FAINT)
    pen.text((right, _SHARES_TOP), f"{highest:.0%}", fill=INK, font=font, anchor="rd")
    room = (right - _MARGIN) / max(1, len(labels))
    width = 0.8 * room / max(1, len(shares))
    for number, (name, heights) in enumerate(shares.items()):
        for position, share in enumerate(heights):
            left = _MARGIN + (position + 0.1) * room + number * width
            top = _FLOOR - share / (highest or 1) * (_FLOOR - _SHARES_TOP)
            pen.rectangle((left, top, max(left, left + width - 1), _FLOOR), fill=colors[name])
    widest = max((font.getlength(label) for label in labels), default=0.0)
    every = max(1, math.ceil((widest + 8) / room))  # as many labels as fit side by side
    for position in range(0, len(labels), every):
        middle = _MARGIN + (position + 0.5) * room
        pen.text((middle, _FLOOR + 6), labels[position], fill=INK, font=font, anchor="mt")
    return chart
