"""Lines over two axes with round ticks."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from PIL import Image, ImageDraw

from condetr.charts.sheet import FAINT, INK, PAPER, TEXT, TITLE, color_key, short_name
from condetr.images.drawing.colors import Color
from condetr.images.drawing.marks import font_of

LEFT, RIGHT, TOP, BOTTOM = 64, 28, 68, 52  # of the axes, in pixels
_FINER = 2  # lines are drawn larger and shrunk, so that they are smooth
_LARGEST = 1e100  # a point beyond is left out
_DOTTED = 30  # a line of fewer points has dots on them
_MOST_STEPS = 8


class Line(NamedTuple):
    name: str
    points: Sequence[tuple[float, float]]
    color: Color
    width: int = 2


def lines_chart(
    title: str,
    lines: Sequence[Line],
    *,
    labels: tuple[str, str] = ("", ""),
    reach: tuple[float, float] = (0.0, 0.0),
    extent: tuple[int, int] = (520, 520),
    key_beside: bool = False,
) -> Image.Image:
    """Lines over axes that hold 0 and every finite point, the first line on top.

    Args:
        title: above.
        lines: without any, or without points, nothing is drawn but the title.
        labels: of the horizontal and the vertical axis.
        reach: the least ends of the axes.
        extent: (width, height) of the axes in pixels.
        key_beside: the names of the lines below each other at the right, where there is room for many; else above.
    """
    font = font_of(TEXT)
    names = max((round(font.getlength(short_name(line.name))) for line in lines), default=0) + 16
    height = TOP + max(extent[1], 20 * len(lines) if key_beside else 0) + BOTTOM
    chart = Image.new("RGB", (LEFT + extent[0] + RIGHT + (names if key_beside else 0), height), PAPER)
    pen = ImageDraw.Draw(chart)
    pen.text((LEFT, 14), title, fill=INK, font=font_of(TITLE))
    finite = [[point for point in line.points if all(abs(value) < _LARGEST for value in point)] for line in lines]
    if not any(finite):
        return chart
    xs, ys = zip(*(point for points in finite for point in points), strict=True)
    across, up = (_ticks(min(0.0, *values), max(end, *values)) for values, end in ((xs, reach[0]), (ys, reach[1])))

    def at(x: float, y: float) -> tuple[float, float]:
        share_x, share_y = (x - across[0]) / (across[-1] - across[0]), (y - up[0]) / (up[-1] - up[0])
        return LEFT + share_x * extent[0], TOP + (1 - share_y) * extent[1]

    for x in across:
        pen.line((at(x, up[0]), at(x, up[-1])), fill=FAINT)
        pen.text((at(x, up[0])[0], TOP + extent[1] + 8), f"{x:g}", fill=INK, font=font, anchor="mt")
    for y in up:
        pen.line((at(across[0], y), at(across[-1], y)), fill=FAINT)
        pen.text((LEFT - 8, at(across[0], y)[1]), f"{y:g}", fill=INK, font=font, anchor="rm")
    pen.text((LEFT + extent[0] / 2, TOP + extent[1] + 28), labels[0], fill=INK, font=font, anchor="mt")
    pen.text((LEFT, TOP - 8), labels[1], fill=INK, font=font, anchor="lb")
    for line, points in reversed(list(zip(lines, finite, strict=True))):
        _paint_line(chart, [at(*point) for point in points], line.color, line.width)
    if not key_beside:
        chart.paste(color_key((line.name, line.color) for line in lines), (LEFT, 40))
        return chart
    left = LEFT + extent[0] + 14
    for row, line in enumerate(lines):
        middle = TOP + 10 + 20 * row
        pen.line((left, middle, left + 18, middle), fill=line.color, width=max(line.width, 2))
        pen.text((left + 24, middle), short_name(line.name), fill=INK, font=font, anchor="lm")
    return chart


def _paint_line(chart: Image.Image, points: Sequence[tuple[float, float]], color: Color, width: int) -> None:
    ink = Image.new("L", (chart.width * _FINER, chart.height * _FINER))
    pen = ImageDraw.Draw(ink)
    finer = [(x * _FINER, y * _FINER) for x, y in points]
    for start, end in pairwise(finer):
        pen.line((start, end), fill=255, width=width * _FINER)
    for point in finer if len(finer) < _DOTTED else ():
        pen.circle(point, (width + 1) * _FINER, fill=255)
    chart.paste(color, mask=ink.resize(chart.size, Image.Resampling.BOX))


def round_step(least: float) -> float:
    """The next of 1, 2, 5, 10, 20, ... or of their tenths, hundredths and so on."""
    magnitude = 10.0 ** math.floor(math.log10(least))
    return next(number * magnitude for number in (1, 2, 5, 10) if number * magnitude >= least)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers that span both."""
    span = high - low if high - low >= 1 / _LARGEST else 1.0
    step = round_step(span / _MOST_STEPS)
    first, last = math.floor(low / step + 1e-9), math.ceil((low + span) / step - 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]
