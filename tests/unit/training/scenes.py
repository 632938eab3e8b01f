"""Images of colored rectangles on gray: what the smallest network can learn in seconds."""

from collections.abc import Container
from pathlib import Path

import numpy as np
from PIL import Image

from condetr.data.classes import Classes
from condetr.data.records import Dataset, Example, Object

COLORS = (220, 40, 40), (40, 60, 220)


def write_scenes(folder: Path, count: int, *, side: int = 64, seed: int = 0, empty: Container[int] = ()) -> Dataset:
    folder.mkdir(parents=True, exist_ok=True)
    examples = []
    for number in range(count):
        random = np.random.default_rng([seed, number])
        pixels = random.integers(110, 140, (side, side, 3)).astype(np.uint8)
        objects = []
        for half in range(
            0 if number in empty else random.integers(1, 3)
        ):  # one on the left, perhaps another on the right
            width, height = random.integers(side // 5, side * 2 // 5, 2)
            x = half * side // 2 + random.integers(0, side // 2 - width + 1)
            y = random.integers(0, side - height + 1)
            label = int(random.integers(2))
            pixels[y : y + height, x : x + width] = COLORS[label]
            objects.append(
                Object(label, (float(x), float(y), float(x + width), float(y + height)), float(width * height))
            )
        path = folder / f"{number:03}.png"
        if not path.exists():  # perhaps another process reads it
            Image.fromarray(pixels).save(path)
        examples.append(Example(path, (side, side), number, tuple(objects)))
    return Dataset(tuple(examples), Classes.named(["red", "blue"]), folder)
