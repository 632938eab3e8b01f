"""A small COCO panoptic folder, right unless a test makes it wrong."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tests.unit.data.conftest import image

WIDTH, HEIGHT = 64, 48
CATEGORIES = [
    {"id": 3, "name": "cat", "isthing": 1},
    {"id": 17, "name": "dog", "isthing": 1},
    {"id": 90, "name": "sky", "isthing": 0},
]


def numbers():
    """Two cats, a crowd of dogs and the sky; one corner belongs to nobody."""
    plane = np.full((HEIGHT, WIDTH), 700_000)  # sky
    plane[10:30, 5:25] = 8_000
    plane[20:44, 30:50] = 9_001
    plane[0:8, 40:64] = 66_000  # the crowd
    plane[40:48, 0:10] = 0
    return plane


def infos():
    return [
        {"id": 8_000, "category_id": 3, "iscrowd": 0, "bbox": [5, 10, 20, 20], "area": 400},
        {"id": 9_001, "category_id": 3, "iscrowd": 0, "bbox": [30, 20, 20, 24], "area": 480},
        {"id": 66_000, "category_id": 17, "iscrowd": 1, "bbox": [40, 0, 24, 8], "area": 192},
        {"id": 700_000, "category_id": 90, "iscrowd": 0, "bbox": [0, 0, 64, 48], "area": 1920},
    ]


def content(images=2):
    return {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": WIDTH, "height": HEIGHT} for i in range(1, images + 1)],
        "annotations": [
            {"image_id": i, "file_name": f"{i}.png", "segments_info": infos()} for i in range(1, images + 1)
        ],
        "categories": [dict(item) for item in CATEGORIES],
    }


def save_numbers(path: Path, plane):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack([plane & 255, plane >> 8 & 255, plane >> 16], axis=2).astype(np.uint8)).save(path)


def panoptic_folder(folder: Path, given=None, *, name="panoptic_val2017", plane=None) -> Path:
    """Writes it and answers with the JSON file."""
    given = content() if given is None else given
    for item in given["images"]:
        image(folder / ("val2017" if "val" in name else "images") / item["file_name"], (WIDTH, HEIGHT), seed=item["id"])
        save_numbers(folder / "annotations" / name / f"{item['id']}.png", numbers() if plane is None else plane)
    path = folder / "annotations" / f"{name}.json"
    path.write_text(json.dumps(given))
    return path
