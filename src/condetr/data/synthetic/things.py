"""A thing to paste into a scene: coverage and colors of its pixels."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont

from condetr.data.demo.glyphs import DemoSplit, glyphs_of
from condetr.data.synthetic.forms import Plane
from condetr.data.synthetic.silhouettes import KINDS, Kind
from condetr.data.synthetic.surfaces import Color, Pixels, surface

DIGITS = tuple("0123456789")
LETTER = "letter"
CLASS_NAMES = (*DIGITS, LETTER, *KINDS)
_GRID = 72  # cells of the finest grid that a silhouette is computed on; larger things are enlarged
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabdefghkmnpqrtuy&?%#@"
VISIBLE = 0.5  # coverage from which a pixel belongs to a thing


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """Attributes: ``coverage`` from 0 to 1 and ``colors``, both cropped to what is visible."""

    coverage: Plane
    colors: Pixels


@dataclass(frozen=True, slots=True)
class Appearance:
    """Common properties of the things of a scene, or of a group in it."""

    color: Color
    spread: float  # levels by which the colors of single things differ
    depth: float  # levels of shading
    hollow: float  # probability of outlines
    opacity: float


def thing(rng: np.random.Generator, name: str, size: float, appearance: Appearance, split: DemoSplit) -> Thing | None:
    """A thing whose longer side has about ``size`` pixels; None if nothing of it would be visible."""
    layers = (
        _glyph(rng, name, size, split)
        if name in DIGITS or name == LETTER
        else _shape(rng, KINDS[name], size, appearance)
    )
    visible = layers[0] > VISIBLE
    rows, columns = np.flatnonzero(visible.any(1)), np.flatnonzero(visible.any(0))
    if not len(rows):
        return None
    crop = slice(max(0, rows[0] - 1), rows[-1] + 2), slice(max(0, columns[0] - 1), columns[-1] + 2)
    layers = [layer[crop] for layer in layers]
    height, width = layers[0].shape
    color = appearance.color + rng.normal(0, appearance.spread, 3).astype(np.float32)
    colors = surface(
        rng, height, width, color, color + rng.normal(0, appearance.depth, 3).astype(np.float32), appearance.depth
    )
    for layer in layers[1:]:
        part = color + rng.normal(0, max(25.0, 2 * appearance.depth), 3).astype(np.float32)
        colors = colors + layer[..., None] * (part - colors)
    return Thing(layers[0] * np.float32(appearance.opacity), colors)


def _shape(rng: np.random.Generator, kind: Kind, size: float, appearance: Appearance) -> list[Plane]:
    aspect = np.exp(rng.uniform(*np.log(kind.aspect)))
    width, height = (size, size / aspect) if aspect > 1 else (size * aspect, size)
    angle = np.deg2rad(rng.uniform(-kind.turn, kind.turn))
    scale = min(1.0, _GRID / size)
    half_w, half_h = max(width * scale / 2, 0.5), max(height * scale / 2, 0.5)
    cos, sin = np.cos(angle), np.sin(angle)
    across = int(np.ceil(abs(cos) * half_w + abs(sin) * half_h)) + 1
    down = int(np.ceil(abs(sin) * half_w + abs(cos) * half_h)) + 1
    x = np.arange(-across, across + 1, dtype=np.float32)[None, :]
    y = np.arange(-down, down + 1, dtype=np.float32)[:, None]
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    u = ((x * cos + y * sin) / half_w * mirror).astype(np.float32)
    v = ((y * cos - x * sin) / half_h).astype(np.float32)
    steepness = np.sqrt(half_w * half_h)  # cells to a unit of the kind's frame
    distances = list(kind.draw(rng, u, v))
    if kind.hollow and rng.random() < appearance.hollow:
        width_of_line = max(rng.uniform(0.08, 0.25), 1.0 / steepness)
        distances = [np.minimum(distances[0], width_of_line - distances[0])]
    layers = [np.clip(distance * steepness + 0.5, 0, 1).astype(np.float32) for distance in distances]
    return layers if scale == 1 else [_enlarged(layer, 1 / scale) for layer in layers]


def _enlarged(layer: Plane, factor: float) -> Float[np.ndarray, "_ _"]:
    rows, columns = layer.shape
    large = Image.fromarray(layer).resize((round(columns * factor), round(rows * factor)), Image.Resampling.BICUBIC)
    return np.clip((np.asarray(large) - 0.5) * factor + 0.5, 0, 1)


def _glyph(rng: np.random.Generator, name: str, size: float, split: DemoSplit) -> list[Plane]:
    source = _printed(_LETTERS[int(rng.integers(len(_LETTERS)))]) if name == LETTER else _handwritten(rng, name, split)
    width = max(2.0, size * rng.uniform(0.6, 0.95))
    flat = Image.fromarray(source).resize((max(2, round(width)), max(2, round(size))), Image.Resampling.BICUBIC)
    turned = np.asarray(flat.rotate(rng.uniform(-15, 15), Image.Resampling.BILINEAR, expand=True))
    turned = turned / max(turned.max(), 0.1)  # strokes thinner than a pixel stay visible
    sharpness = max(1.0, size / 10)
    return [np.clip((turned - 0.45) * sharpness + 0.5, 0, 1).astype(np.float32)]


def _handwritten(rng: np.random.Generator, name: str, split: DemoSplit) -> Plane:
    glyphs, labels = glyphs_of(split)
    chosen = rng.choice(np.flatnonzero(labels == int(name)))
    return np.pad(glyphs[chosen].astype(np.float32) / 16, 1)


@cache
def _printed(letter: str) -> Plane:
    font = ImageFont.load_default(40)
    left, top, right, bottom = (int(side) for side in font.getbbox(letter))
    sheet = Image.new("L", (right - left + 4, bottom - top + 4))
    ImageDraw.Draw(sheet).text((2 - left, 2 - top), letter, fill=255, font=font)
    return np.asarray(sheet, dtype=np.float32) / 255
