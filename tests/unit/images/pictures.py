"""Pictures that show at a glance what was done to them: four colours, one a quarter."""

import io

import numpy as np
from PIL import Image

SIZE = (64, 96)  # height, width
COLOURS = {(16, 24): (220, 30, 30), (16, 72): (30, 200, 30), (48, 24): (30, 30, 210), (48, 72): (128, 128, 128)}


def quarters() -> Image.Image:
    pixels = np.zeros((*SIZE, 3), np.uint8)
    for (row, column), colour in COLOURS.items():
        pixels[row - 16 : row + 16, column - 24 : column + 24] = colour
    return Image.fromarray(pixels)


def noise(height: int, width: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def assert_quarters(picture: Image.Image, tolerance: int) -> None:
    """Upright, in colour, and of the right size."""
    assert picture.mode == "RGB"
    assert (picture.height, picture.width) == SIZE
    pixels = np.asarray(picture).astype(int)
    for place, colour in COLOURS.items():
        assert np.abs(pixels[place] - colour).max() <= tolerance, (place, pixels[place], colour)
