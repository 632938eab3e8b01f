"""Stand-ins that have what is used of the library `datasets`, as its version 5.2 has it."""

import dataclasses
import io

import numpy as np
from PIL import Image as Pil


@dataclasses.dataclass
class Image:
    decode: bool = True


@dataclasses.dataclass
class ClassLabel:
    names: list


@dataclasses.dataclass
class Sequence:
    feature: object


class Dataset:
    def __init__(self, rows, features, split=None):
        self.rows, self.features, self.split = rows, features, split

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        row = dict(self.rows[index])
        if getattr(self.features["image"], "decode", False) and isinstance(row["image"], dict):
            row["image"] = Pil.open(io.BytesIO(row["image"]["bytes"]))
        return row

    def cast_column(self, name, feature):
        return Dataset(self.rows, self.features | {name: feature}, self.split)


def jpeg(seed=0):
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Pil.fromarray(pixels).save(stream, "JPEG")
    return stream.getvalue()


FIELDS = {"bbox": Sequence(Sequence("float32")), "category": Sequence(ClassLabel(["hand", "cup"]))}
FEATURES = {"image_id": "int64", "image": Image(), "objects": FIELDS}
BOXES = [[10, 5, 20, 10], [0, 0, 60, 40]]


def rows(boxes=(BOXES,), classes=(1, 0)):
    return [
        {
            "image": {"bytes": jpeg(seed), "path": "x.jpg"},
            "objects": {"bbox": some, "category": list(classes)[: len(some)]},
        }
        for seed, some in enumerate(boxes)
    ]
