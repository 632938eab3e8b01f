"""Light textured paper, as seen by a camera: the background of the demo scenes."""

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

import numpy as np
from jaxtyping import Float, Float32
from PIL import Image, ImageDraw

Color: TypeAlias = tuple[int, int, int]
T = TypeVar("T")
Pixels: TypeAlias = Float32[np.ndarray, "height width 3"]  # levels, 0 to 255
_SHEETS = ((250, 246, 235), (243, 240, 230), (238, 243, 248), (249, 238, 236), (240, 246, 236), (232, 222, 200))
_RULINGS = ("plain", "plain", "lines", "squares", "dots")
_RULING_COLORS = ((150, 180, 215), (205, 165, 170), (170, 190, 170))


def paper(rng: np.random.Generator, side: int) -> Pixels:
    """A square sheet: color, fibres, perhaps ruling and a stain, light from one side."""
    sheet = np.array(pick(rng, _SHEETS), dtype=np.float32) + rng.normal(0, 3, 3).astype(np.float32)
    pixels = np.broadcast_to(sheet, (side, side, 3)).copy()
    pixels += 4.0 * smooth_noise(rng, side, 6)[..., None] + 2.5 * smooth_noise(rng, side, side // 3)[..., None]
    pixels = _ruled(rng, pixels)
    if rng.random() < 0.25:
        pixels = _stained(rng, pixels)
    return pixels * _light(rng, side)[..., None]


def smooth_noise(rng: np.random.Generator, side: int, cells: int) -> Float32[np.ndarray, "side side"]:
    """Random hills of about unit height, ``cells`` of them along a side."""
    coarse = Image.fromarray(rng.normal(0, 1, (cells, cells)).astype(np.float32))
    return np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC))


def painted(pixels: Pixels, ink: Float[np.ndarray, "height width"], color: Color) -> Pixels:
    """``pixels`` under ``ink`` (0 none, 1 opaque) of a color, as watercolor: it darkens what is below."""
    through = np.array(color, dtype=np.float32) / 255
    return pixels * (1 - ink[..., None] * (1 - through)).astype(np.float32)


def _ruled(rng: np.random.Generator, pixels: Pixels) -> Pixels:
    kind, side = pick(rng, _RULINGS), len(pixels)
    if kind == "plain":
        return pixels
    step, start = int(rng.integers(9, 17)), int(rng.integers(0, 9))
    ruling = Image.new("L", (side, side))
    pen = ImageDraw.Draw(ruling)
    positions = range(start, side, step)
    for y in positions:
        if kind == "dots":
            pen.point([(x, y) for x in positions], fill=255)
            continue
        pen.line((0, y, side, y), fill=255)
        if kind == "squares":
            pen.line((y, 0, y, side), fill=255)
    strength = rng.uniform(0.35, 0.8)
    return painted(pixels, np.asarray(ruling, dtype=np.float32) / 255 * strength, pick(rng, _RULING_COLORS))


def _stained(rng: np.random.Generator, pixels: Pixels) -> Pixels:
    """With the ring of a cup."""
    side = len(pixels)
    x, y = rng.uniform(0, side, 2)
    radius, width = rng.uniform(0.2, 0.45) * side, rng.uniform(1.0, 2.5)
    rows, columns = np.mgrid[:side, :side]
    distance = np.hypot(columns - x, rows - y) - radius * (1 + 0.03 * smooth_noise(rng, side, 5))
    ring = np.exp(-((distance / width) ** 2)) * 0.45 + np.where(distance < 0, 0.08, 0.0)
    return painted(pixels, ring, (176, 130, 84))


def _light(rng: np.random.Generator, side: int) -> Float32[np.ndarray, "side side"]:
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.0, 0.12)
    ramp = np.linspace(-0.5, 0.5, side, dtype=np.float32)
    slope = np.cos(angle) * ramp[None, :] + np.sin(angle) * ramp[:, None]
    return (rng.uniform(0.93, 1.0) + depth * slope).astype(np.float32)


def pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    return choices[int(rng.integers(len(choices)))]
