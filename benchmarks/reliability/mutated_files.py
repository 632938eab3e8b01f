"""Small honest image files of every format, changed by chance."""

from random import Random

import numpy as np
from PIL import Image
from tests.unit.images.hostile import run_lengths
from tests.unit.images.images import encoded, noise

WORDS = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\1\0")


def honest_files() -> list[bytes]:
    color, more, exif = noise(24, 32), noise(24, 32, 1), Image.Exif()
    exif[0x0112] = 6
    upright = {"exif": exif.tobytes()}
    pages = {"save_all": True, "append_images": [more]}
    levels = Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30))
    images = [
        (color, "JPEG", upright), (color, "JPEG", {"progressive": True}),
        (color, "PNG", upright), (color.convert("P"), "PNG", {"transparency": 3}),
        (color.convert("RGBA"), "PNG", {}), (levels, "PNG", {}), (color, "GIF", pages),
        (color, "WEBP", upright), (color, "WEBP", pages),
        (color, "TIFF", {}), (color, "TIFF", {"compression": "tiff_lzw", "strip_size": 300}),
        (color, "TIFF", {"compression": "tiff_adobe_deflate", "tile": (16, 16)}),
        (color, "TIFF", {"big_tiff": True, **pages}), (color, "TIFF", {"compression": "jpeg"}),
        (color.convert("1"), "TIFF", {"compression": "group4"}),
        (Image.fromarray(np.ones((20, 30), np.float32)), "TIFF", {}),
        (color, "BMP", {}), (color.convert("P"), "BMP", {}), (color, "PPM", {}),
    ]  # fmt: skip
    numbers = [b"P2 3 2 99\n1 2 3 4 5 6\n", b"P5 3 2 999\n" + bytes(12), b"P1 3 2\n101010", run_lengths(400)]
    return [encoded(image, kind, **options) for image, kind, options in images] + numbers


def mutated(honest: bytes, chance: Random) -> bytes:
    """One to eight changes, most of them near the beginning."""
    data = bytearray(honest)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        if not data:
            break
        at = chance.randrange(min(len(data), chance.choice((64, 200, len(data)))))
        kind = chance.random()
        if kind < 0.5:
            data[at] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        elif kind < 0.6:
            data[at:at] = chance.randbytes(chance.randrange(1, 9))
        elif kind < 0.7:
            del data[at : at + chance.randrange(1, 9)]
        elif kind < 0.8:
            place = chance.randrange(len(honest))
            data[at : at + 8] = honest[place : place + 8]
        elif kind < 0.9:
            data[at : at + 4] = chance.choice(WORDS)
        else:
            del data[at + 1 :]
    return bytes(data)
