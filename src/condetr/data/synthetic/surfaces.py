"""Appearance of surfaces: flat, shaded, striped, checkered, or as rough as in photographs."""

import math
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32
from PIL import Image

Field: TypeAlias = Float32[np.ndarray, "height width"]  # about zero, about unit height
Pixels: TypeAlias = Float32[np.ndarray, "height width 3"]  # levels, 0 to 255
Color: TypeAlias = Float32[np.ndarray, "3"]


def hills(rng: np.random.Generator, height: int, width: int, cells: int) -> Field:
    """Smooth random hills, about ``cells`` of them along the longer side."""
    longer = max(height, width)
    rows, columns = (max(2, round(cells * side / longer)) for side in (height, width))
    coarse = Image.fromarray(rng.standard_normal((rows, columns), dtype=np.float32))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def rough(rng: np.random.Generator, height: int, width: int) -> Field:
    """Hills upon hills, finer ones lower, as in photographs of nature."""
    fall, field, cells = rng.uniform(0.4, 0.9), np.zeros((height, width), np.float32), int(rng.integers(2, 5))
    strength = 1.0
    while cells < max(height, width):
        field += strength * hills(rng, height, width, cells)
        cells, strength = cells * 3, strength * fall
    return field


def stripes(rng: np.random.Generator, height: int, width: int) -> Field:
    angle, period = rng.uniform(0, math.pi), rng.uniform(3, 24)
    rows, columns = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None, :]
    wave = np.sin((rows * math.sin(angle) + columns * math.cos(angle)) * (2 * math.pi / period))
    return np.clip(wave * rng.uniform(1, 4), -1, 1)


def checks(rng: np.random.Generator, height: int, width: int) -> Field:
    angle, period = rng.uniform(0, math.pi), rng.uniform(5, 24)
    rows, columns = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None, :]
    across = np.sin((rows * math.sin(angle) + columns * math.cos(angle)) * (2 * math.pi / period))
    down = np.sin((rows * math.cos(angle) - columns * math.sin(angle)) * (2 * math.pi / period))
    return np.clip(across * down * rng.uniform(2, 6), -1, 1)


def slope(rng: np.random.Generator, height: int, width: int) -> Field:
    """Light from one side."""
    angle = rng.uniform(0, 2 * math.pi)
    rows, columns = np.linspace(-1, 1, height, dtype=np.float32), np.linspace(-1, 1, width, dtype=np.float32)
    return math.sin(angle) * rows[:, None] + math.cos(angle) * columns[None, :]


def surface(rng: np.random.Generator, height: int, width: int, color: Color, second: Color, depth: float) -> Pixels:
    """Between two colors and lighter and darker by up to about ``depth`` levels."""
    flat = np.broadcast_to(color, (height, width, 3))
    kind = rng.random()
    if kind < 0.3:
        pixels = flat + np.zeros((1, 1, 1), np.float32)
    else:
        patterns = ((0.5, rough), (0.65, stripes), (0.75, checks), (0.9, slope))
        field = next((make for limit, make in patterns if kind < limit), None)
        height_of = hills(rng, height, width, int(rng.integers(2, 7))) if field is None else field(rng, height, width)
        share = np.clip(0.5 + 0.5 * height_of, 0, 1)[..., None]
        pixels = flat + share * (second - color)
    if rng.random() < 0.5:
        pixels = pixels + depth * slope(rng, height, width)[..., None]
    if rng.random() < 0.4:
        pixels = pixels + 0.5 * depth * rough(rng, height, width)[..., None]
    return pixels.astype(np.float32)


def background(rng: np.random.Generator, height: int, width: int, color: Color) -> Pixels:
    """A background, from a flat sheet to something like a photograph without a subject."""
    spread = float(rng.choice([8.0, 30.0, 70.0]))
    pixels = surface(rng, height, width, color, color + rng.normal(0, spread, 3).astype(np.float32), rng.uniform(0, 40))
    for _ in range(int(rng.integers(0, 4)) if rng.random() < 0.5 else 0):
        pixels = _region(rng, pixels, spread)
    if rng.random() < 0.35:
        strength, scale = rng.uniform(5, 35), rng.normal(1, 0.4, 3).astype(np.float32)
        pixels = pixels + strength * rough(rng, height, width)[..., None] * scale
    return pixels


def plain_background(rng: np.random.Generator, height: int, width: int, color: Color) -> Pixels:
    """A flat sheet, perhaps lit from one side."""
    light = rng.uniform(0, 25) * slope(rng, height, width) * (rng.random() < 0.6)
    return (color + light[..., None]).astype(np.float32)


def _region(rng: np.random.Generator, pixels: Pixels, spread: float) -> Pixels:
    """With another surface beyond a wavy line: ground and sky, a wall and a floor."""
    height, width = pixels.shape[:2]
    field = slope(rng, height, width) + rng.uniform(-0.7, 0.7) + 0.25 * hills(rng, height, width, 4)
    share = np.clip(field * float(rng.choice([4.0, 15.0, 40.0])), 0, 1)[..., None]
    color = pixels[::8, ::8].mean((0, 1)) + rng.normal(0, spread, 3).astype(np.float32)
    other = surface(rng, height, width, color, color + rng.normal(0, spread / 2, 3).astype(np.float32), 20.0)
    return pixels + share * (other - pixels)
