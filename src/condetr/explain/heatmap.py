"""Attention heatmaps on an image, and their marks and legend."""

import numpy as np
from PIL import Image

from condetr.charts.sheet import PAPER, text_block, tiled
from condetr.explain.evidence import Box, Map, Point
from condetr.explain.window import Window
from condetr.images.drawing.colors import HEAT_SCALE
from condetr.images.drawing.marks import paint_box, paint_point

_DIMMED = 0.42  # brightness of the image below the heat
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def crop(image: Image.Image, window: Window, side: int) -> Image.Image:
    """The part in the window, its longer edge ``side`` pixels long."""
    scale = window.scale(side)
    size = max(1, round((window.right - window.left) * scale)), max(1, round((window.bottom - window.top) * scale))
    return image.resize(size, Image.Resampling.BICUBIC, box=(window.left, window.top, window.right, window.bottom))


def dimmed(tile: Image.Image) -> Image.Image:
    """Gray and dark, so that the heatmap is the only color."""
    return tile.convert("L").point(lambda level: level * _DIMMED).convert("RGB")


def heatmap(tile: Image.Image, weights: Map, cell: tuple[float, float], window: Window, *, most: float) -> Image.Image:
    """A dimmed tile with weights on it: ``most`` is brightest, zero is transparent."""
    edges = (window.left / cell[1], window.top / cell[0], window.right / cell[1], window.bottom / cell[0])
    rows, columns = weights.shape
    edges = (edges[0], edges[1], min(edges[2], columns), min(edges[3], rows))
    smooth = Image.fromarray(weights).resize(tile.size, Image.Resampling.BICUBIC, box=edges)
    share = np.clip(np.asarray(smooth) / max(most, 1e-12), 0, 1)
    heat = HEAT_SCALE[np.round(share * 255).astype(np.intp)]
    opacity = share[..., None] ** 0.6
    return Image.fromarray(np.round(np.asarray(tile) * (1 - opacity) + heat * opacity).astype(np.uint8))


def share_inside(weights: Map, cell: tuple[float, float], window: Window) -> float:
    """The sum of the weights whose cell centers lie in the window."""
    rows, columns = (np.arange(count) + 0.5 for count in weights.shape)
    across = (columns * cell[1] >= window.left) & (columns * cell[1] < window.right)
    down = (rows * cell[0] >= window.top) & (rows * cell[0] < window.bottom)
    return float(weights[np.ix_(down, across)].sum())


def mark_box(tile: Image.Image, box: Box, window: Window, *, width: int = 1) -> None:
    scale = window.scale(max(tile.size))
    (x1, y1), (x2, y2) = window.at((box[0], box[1]), scale), window.at((box[2], box[3]), scale)
    paint_box(tile, (x1 - 1, y1 - 1, x2 + 1, y2 + 1), _WHITE, width=width, rim=_BLACK)


def mark_point(tile: Image.Image, point: Point, window: Window, *, radius: int = 4) -> None:
    """A disc with a dark rim; a point outside the window is not marked."""
    x, y = window.at(point, window.scale(max(tile.size)))
    paint_point(tile, (x, y), radius)


def heat_legend(most: str, *, box: str = "", point: str = "") -> Image.Image:
    """The meaning of the brightest color and of the marks; a mark without a text is left out."""
    bar = Image.fromarray(np.repeat(HEAT_SCALE[None, ::2], 14, axis=0).round().astype(np.uint8))
    parts = [text_block(["attention: none"]), bar, text_block([f"{most}   "])]
    if box:
        mark = Image.new("RGB", (22, 16), (90, 90, 90))
        paint_box(mark, (1, 1, 20, 14), _WHITE, rim=_BLACK)
        parts += [mark, text_block([f"{box}   "])]
    if point:
        mark = Image.new("RGB", (14, 16), PAPER)
        paint_point(mark, (7.0, 8.0), 5)
        parts += [mark, text_block([point])]
    return tiled(parts, len(parts), gap=8)
