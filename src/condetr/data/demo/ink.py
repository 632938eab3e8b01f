"""Ink and pencil on paper: digits, and marks that are no digits."""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image, ImageDraw

from condetr.data.demo.paper import Pixels, painted, pick, smooth_noise

_SMALLEST, _LARGEST = 13, 40  # pixels, the height of a digit before it is turned
_FINER = 3  # drawn at three times the resolution, so that edges are smooth
VISIBLE = 0.2  # of full ink; what is fainter is not part of a digit
_INKS = ((28, 36, 92), (28, 28, 32), (126, 26, 36), (20, 72, 50), (64, 36, 96))
_PENCIL = (150, 150, 156)

Ink: TypeAlias = Float32[np.ndarray, "rows columns"]  # 0 none, 1 opaque


def handwritten(rng: np.random.Generator, glyph: UInt8[np.ndarray, "8 8"]) -> Ink:
    """A digit at a random size, proportion and slant, cropped to its visible part."""
    height = _SMALLEST + (_LARGEST - _SMALLEST) * rng.random()
    width = height * 0.75 * rng.uniform(0.8, 1.25)
    ink = _traced(glyph, height, width, rng.uniform(-9, 9))
    rows, columns = np.flatnonzero(ink.max(axis=1) > VISIBLE), np.flatnonzero(ink.max(axis=0) > VISIBLE)
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def written(rng: np.random.Generator, pixels: Pixels, ink: Ink, left: int, top: int) -> Pixels:
    """``pixels`` with the ink of one pen, unevenly pressed."""
    height, width = ink.shape
    window = (slice(top, top + height), slice(left, left + width))
    pressed = ink * np.clip(
        rng.uniform(0.78, 0.98) + 0.06 * smooth_noise(rng, max(height, width), 4)[:height, :width], 0, 1
    )
    result = pixels.copy()
    result[window] = painted(pixels[window], pressed, pick(rng, _INKS))
    return result


def scribbled(
    rng: np.random.Generator, pixels: Pixels, glyphs: UInt8[np.ndarray, "glyphs 8 8"]
) -> Iterator[tuple[Pixels, bool]]:
    """``pixels`` with one more mark each time, none of them a digit, and whether the new mark is ink.

    Blots and pieces of digits are ink, pencil lines and arcs are not; there may be no mark at all.
    """
    for _ in range(int(rng.integers(0, 5))):
        draw = (_pencil_line, _arc, _blot, _piece)[int(rng.integers(4))]
        pixels = draw(rng, pixels, glyphs)
        yield pixels, draw in (_blot, _piece)


def _traced(glyph: UInt8[np.ndarray, "8 8"], height: float, width: float, angle: float) -> Ink:
    """The glyph as drawn by a pen: enlarged smoothly, then sharpened to an edge."""
    rows, columns = np.flatnonzero(glyph.max(axis=1) > 1), np.flatnonzero(glyph.max(axis=0) > 1)
    part = np.pad(glyph[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32) / 16, 2)
    scale = _FINER * height / 8, _FINER * width / 6
    fine = Image.fromarray(part).resize(
        (round(part.shape[1] * scale[1]), round(part.shape[0] * scale[0])), Image.Resampling.BICUBIC
    )
    turned = np.asarray(fine.rotate(angle, Image.Resampling.BILINEAR))
    edged = np.clip((turned - 0.36) / 0.32, 0, 1)
    edged = edged * edged * (3 - 2 * edged)
    small = Image.fromarray(edged).resize((edged.shape[1] // _FINER, edged.shape[0] // _FINER), Image.Resampling.BOX)
    return np.asarray(small)


def _pencil_line(rng: np.random.Generator, pixels: Pixels, _: object) -> Pixels:
    side = len(pixels) * _FINER
    x, y = rng.uniform(0, side, 2)
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.45, 0.9) * side
    end = (x + length * np.cos(angle), y + length * np.sin(angle))
    return _pencilled(rng, pixels, lambda pen: pen.line((x, y, *end), fill=255, width=int(rng.integers(2, 6))))


def _arc(rng: np.random.Generator, pixels: Pixels, _: object) -> Pixels:
    side = len(pixels) * _FINER
    x, y = rng.uniform(0, side, 2)
    wide, high = rng.uniform(0.2, 0.6, 2) * side
    start, sweep = rng.uniform(0, 360), rng.uniform(40, 110)
    box = (x - wide, y - high, x + wide, y + high)
    return _pencilled(rng, pixels, lambda pen: pen.arc(box, start, start + sweep, fill=255, width=4))


def _pencilled(rng: np.random.Generator, pixels: Pixels, draw: Callable[[ImageDraw.ImageDraw], None]) -> Pixels:
    side = len(pixels)
    sheet = Image.new("L", (side * _FINER, side * _FINER))
    draw(ImageDraw.Draw(sheet))
    lines = np.asarray(sheet.resize((side, side), Image.Resampling.BOX), dtype=np.float32) / 255
    return painted(pixels, lines * rng.uniform(0.5, 0.9), _PENCIL)


def _blot(rng: np.random.Generator, pixels: Pixels, _: object) -> Pixels:
    side = len(pixels)
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    x, y = rng.uniform(0, side, 2)
    radius = rng.uniform(1.0, 3.2) * (1 + 0.25 * smooth_noise(rng, side, side // 4))
    ink = np.clip(radius - np.hypot(columns - x, rows - y) + 0.5, 0, 1) * rng.uniform(0.5, 0.9)
    return painted(pixels, ink, pick(rng, _INKS))


def _piece(rng: np.random.Generator, pixels: Pixels, glyphs: UInt8[np.ndarray, "glyphs 8 8"]) -> Pixels:
    """A hook or a dot of a digit: three by three of its eight by eight cells."""
    row, column = rng.integers(0, 6, 2)
    piece = np.zeros((8, 8), dtype=np.uint8)
    piece[2:5, 2:5] = glyphs[int(rng.integers(len(glyphs)))][row : row + 3, column : column + 3]
    if piece.max() < 8:
        return pixels
    ink = _traced(piece, rng.uniform(12, 26), rng.uniform(10, 20), rng.uniform(0, 360))
    room = len(pixels) - max(ink.shape)
    return written(rng, pixels, ink, *(int(at) for at in rng.integers(0, room, 2)))
