"""The course of a training as an image: losses, learning rates, gradients, and what evaluations measured."""

from collections.abc import Sequence

from PIL import Image

from condetr.charts.axes import BOTTOM, LEFT, RIGHT, TOP, Line, lines_chart
from condetr.charts.sheet import tiled
from condetr.training.run.metrics_log import Row

WIDTH, HEIGHT = 640, 400
COLORS = (200, 30, 30), (30, 80, 200), (20, 130, 60), (190, 100, 0), (120, 50, 160), (0, 125, 135)  # dark on white
PANELS = {
    "loss": ("loss",),
    "loss of the last layer": ("loss_ce", "loss_bbox", "loss_giou", "loss_mask", "loss_dice"),
    "learning rate": ("lr", "lr_backbone"),
    "gradient norm": ("gradient",),
}
AUXILIARY = {"auxiliary losses": ("loss_one_to_many", "loss_dense", "loss_teacher")}  # shown where there are any


def curves_of(rows: Sequence[Row]) -> Image.Image:
    """One panel a group of measures, over optimization steps; evaluations have the first."""
    evaluated = {name for row in rows if "loss" not in row for name in row} - {"step", "epoch", "seconds"}
    shown = {name: row[name] for row in rows for name in sorted(evaluated) if name in row}
    shares = tuple(name for name, value in shown.items() if isinstance(value, int | float) and 0 <= value <= 1)
    panels = ({"evaluation": shares[: len(COLORS)]} if shares else {}) | PANELS
    panels |= {title: names for title, names in AUXILIARY.items() if any(name in row for row in rows for name in names)}
    extent = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    return tiled([lines_chart(title, _lines(rows, names), extent=extent) for title, names in panels.items()], 2)


def _lines(rows: Sequence[Row], names: Sequence[str]) -> list[Line]:
    """One for each name that has a number in some row."""
    points = [[(_number(row.get("step")), _number(row.get(name))) for row in rows] for name in names]
    lines = [[(x, y) for x, y in line if x is not None and y is not None] for line in points]
    return [Line(*line) for line in zip(names, lines, COLORS, strict=False) if line[1]]


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, int | float) else None
    except OverflowError:  # a whole number beyond 1e308
        return None
