"""Outlines of objects in 640x480 images, checked and painted, against COCO's own tools, which can only paint them.

python -m benchmarks.outlines [--rounds 15] [--threads 1] [--json FILE]
"""

import math
import random

import numpy as np
from pycocotools import mask as coco

from benchmarks.against_peer import arguments, measure, write
from condetr.images.coco_labels.segmentation import check_segmentation, mask_of_segmentation

SIZE = (480, 640)
CHECKED, PAINTED = 5.0, 0.5  # goals


def polygon(draw: random.Random) -> list[float]:
    """A star of as many corners and as large as COCO's polygons are."""
    side, corners = draw.lognormvariate(4.3, 0.9), draw.randint(8, 60)
    x, y = draw.uniform(0, SIZE[1]), draw.uniform(0, SIZE[0])
    turns = (2 * math.pi * corner / corners for corner in range(corners))
    radii = (draw.uniform(0.3, 0.6) * min(side, 600) for _ in range(corners))
    return [
        round(place, 2)
        for turn, radius in zip(turns, radii, strict=True)
        for place in (
            min(max(x + radius * math.cos(turn), 0), SIZE[1]),
            min(max(y + radius * math.sin(turn), 0), SIZE[0]),
        )
    ]


def main() -> None:
    options = arguments(__doc__)
    draw = random.Random(0)
    outlines = [[polygon(draw)] for _ in range(200)]

    def check() -> None:
        for outline in outlines:
            check_segmentation(outline, SIZE)

    def paint() -> list[np.ndarray]:
        return [mask_of_segmentation(outline, SIZE).numpy() for outline in outlines]

    def theirs() -> list[np.ndarray]:
        return [coco.decode(coco.merge(coco.frPyObjects(outline, *SIZE))) for outline in outlines]

    different = max(float((one != other).mean()) for one, other in zip(paint(), theirs(), strict=True))
    rows = [
        measure("200 outlines checked", check, theirs, rounds=options.rounds, deviation=0.0, goal=CHECKED),
        measure("200 outlines painted", paint, theirs, rounds=options.rounds, deviation=different, goal=PAINTED),
    ]
    write(rows, options.json)


if __name__ == "__main__":
    main()
