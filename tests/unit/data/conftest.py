import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SIZES = {"a.jpg": (96, 64), "b.png": (64, 96), "c.jpg": (80, 80)}  # width, height


def image(path: Path, size=(96, 64), seed=0, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


def sideways() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def good_content() -> dict:
    """Three images, four objects of two of three classes, one crowd; ids sparse and out of order."""
    boxes = [(1, 9, [5, 5, 20, 20]), (1, 4, [30, 20, 25, 30]), (2, 9, [0, 0, 64, 96]), (2, 9, [1.5, 2.5, 3.25, 4.75])]
    annotations = [
        {"id": i, "image_id": image, "category_id": category, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for i, (image, category, box) in enumerate(boxes, start=1)
    ]
    crowd = {"id": 5, "image_id": 3, "category_id": 4, "bbox": [0, 0, 40, 40], "area": 900, "iscrowd": 1}
    return {
        "images": [
            {"id": i, "file_name": name, "width": width, "height": height}
            for i, (name, (width, height)) in enumerate(SIZES.items(), start=1)
        ],
        "annotations": [*annotations, crowd],
        "categories": [{"id": 9, "name": "cat"}, {"id": 4, "name": "dog"}, {"id": 17, "name": "ант"}],
    }


@pytest.fixture
def coco(tmp_path):
    """Writes a COCO folder and answers with its JSON file."""

    def write(content=None, folder=tmp_path / "coco", name="instances_train.json") -> Path:
        for seed, (image_name, size) in enumerate(SIZES.items()):
            image(folder / "images" / image_name, size, seed)
        path = folder / "annotations" / name
        path.parent.mkdir(exist_ok=True)
        text = content if isinstance(content, str) else json.dumps(good_content() if content is None else content)
        path.write_text(text, encoding="utf-8")
        return path

    return write
