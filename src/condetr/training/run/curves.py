"""The course of a training as an image: losses, learning rates, gradients, and what evaluations measured."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

from PIL import Image, ImageDraw, ImageFont

from condetr.images.drawing.marks import font_of
from condetr.training.run.metrics_log import Row

Line: TypeAlias = Sequence[tuple[float, float]]
WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 28, 40, 36
INK, FAINT, PAPER = (40, 40, 40), (225, 225, 225), (255, 255, 255)
COLORS = (200, 30, 30), (30, 80, 200), (20, 130, 60), (190, 100, 0), (120, 50, 160), (0, 125, 135)  # dark on white
_LARGEST = 1e100  # beyond which a number is a fault
FINER = 2  # drawn larger and shrunk: smooth lines
PANELS = {
    "loss": ("loss",),
    "loss of the last layer": ("loss_ce", "loss_bbox", "loss_giou", "loss_mask", "loss_dice"),
    "learning rate": ("lr", "lr_backbone"),
    "length of the gradient": ("gradient",),
}


def curves_of(rows: Sequence[Row]) -> Image.Image:
    """One panel a group of measures, over optimization steps; evaluations have the first."""
    evaluated = {name for row in rows if "loss" not in row for name in row} - {"step", "epoch", "seconds"}
    shown = {name: row[name] for row in rows for name in sorted(evaluated) if name in row}
    shares = tuple(name for name, value in shown.items() if isinstance(value, int | float) and 0 <= value <= 1)
    panels = ({"evaluation": shares[: len(COLORS)]} if shares else {}) | PANELS
    charts = [_chart(title, _lines(rows, names)) for title, names in panels.items()]
    sheet = Image.new("RGB", (2 * WIDTH, -(-len(charts) // 2) * HEIGHT), PAPER)
    for place, chart in enumerate(charts):
        sheet.paste(chart, (place % 2 * WIDTH, place // 2 * HEIGHT))
    return sheet


def _lines(rows: Sequence[Row], names: Sequence[str]) -> dict[str, Line]:
    points = {name: [(_shown(row.get("step")), _shown(row.get(name))) for row in rows] for name in names}
    return {name: [(x, y) for x, y in line if x is not None and y is not None] for name, line in points.items()}


def _shown(value: object) -> float | None:
    """Unless it is no number that a chart has a place for."""
    return float(value) if isinstance(value, int | float) and abs(value) < _LARGEST else None


def _chart(title: str, lines: Mapping[str, Line]) -> Image.Image:
    chart = Image.new("RGB", (WIDTH * FINER, HEIGHT * FINER), PAPER)
    pen = ImageDraw.Draw(chart)
    font = font_of(13 * FINER)
    pen.text((LEFT * FINER, 12 * FINER), title, fill=INK, font=font)
    points = [point for line in lines.values() for point in line]
    if points:
        xs, ys = zip(*points, strict=True)
        across, up = _ticks(min(0.0, *xs), max(0.0, *xs)), _ticks(min(0.0, *ys), max(0.0, *ys))
        at = _Scale(across, up)
        _draw_frame(pen, font, across, up, at)
        left = WIDTH - RIGHT
        for number, (name, line) in reversed(list(enumerate(lines.items()))):
            _draw_line(pen, [at(*point) for point in line], COLORS[number])
            left -= round(font.getlength(name) / FINER) + 14
            pen.text((left * FINER, 12 * FINER), name, fill=COLORS[number], font=font)
    return chart.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


class _Scale:
    """From values to pixels."""

    def __init__(self, across: Sequence[float], up: Sequence[float]) -> None:
        self._x, self._y = (across[0], across[-1]), (up[0], up[-1])

    def __call__(self, x: float, y: float) -> tuple[float, float]:
        along = (x - self._x[0]) / (self._x[1] - self._x[0])
        high = (y - self._y[0]) / (self._y[1] - self._y[0])
        wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        return (LEFT + along * wide) * FINER, (HEIGHT - BOTTOM - high * tall) * FINER


def _draw_frame(
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont,
    across: Sequence[float],
    up: Sequence[float],
    at: _Scale,
) -> None:
    for y in up:
        ends = at(across[0], y), at(across[-1], y)
        pen.line(ends, fill=FAINT, width=FINER)
        pen.text((ends[0][0] - 8 * FINER, ends[0][1]), f"{y:g}", fill=INK, font=font, anchor="rm")
    for x in across:
        where = at(x, up[0])
        pen.line((where, (where[0], where[1] + 4 * FINER)), fill=INK, width=FINER)
        pen.text((where[0], where[1] + 8 * FINER), f"{x:g}", fill=INK, font=font, anchor="mt")


def _draw_line(pen: ImageDraw.ImageDraw, points: Sequence[tuple[float, float]], color: tuple[int, int, int]) -> None:
    for one, other in pairwise(points):
        pen.line((one, other), fill=color, width=2 * FINER)
    if len(points) < 30:
        for x, y in points:
            pen.ellipse((x - 3 * FINER, y - 3 * FINER, x + 3 * FINER, y + 3 * FINER), fill=color)


def _ticks(low: float, high: float) -> list[float]:
    """Four to nine round numbers that span both."""
    span = high - low
    if span < 1e-100:
        span = 1.0
    unit = 10.0 ** math.floor(math.log10(span))
    step = next(unit * part for part in (0.1, 0.2, 0.25, 0.5, 1, 2) if span / (unit * part) <= 8)
    first, last = math.floor(low / step + 1e-9), math.ceil((low + span) / step - 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]
