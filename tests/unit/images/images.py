"""Images that show at a glance what was done to them: four colors, one a quarter."""

import io

import numpy as np
from PIL import Image

SIZE = (64, 96)  # height, width
COLORS = {(16, 24): (220, 30, 30), (16, 72): (30, 200, 30), (48, 24): (30, 30, 210), (48, 72): (128, 128, 128)}


def quarters() -> Image.Image:
    pixels = np.zeros((*SIZE, 3), np.uint8)
    for (row, column), color in COLORS.items():
        pixels[row - 16 : row + 16, column - 24 : column + 24] = color
    return Image.fromarray(pixels)


def noise(height: int, width: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def assert_quarters(image: Image.Image, tolerance: int) -> None:
    """Upright, in color, and of the right size."""
    assert image.mode == "RGB"
    assert (image.height, image.width) == SIZE
    pixels = np.asarray(image).astype(int)
    for position, color in COLORS.items():
        assert np.abs(pixels[position] - color).max() <= tolerance, (position, pixels[position], color)
