"""Images whose colors are their classes, and a segmenter that sees them: what it finds is known beforehand."""

import numpy as np
import torch
from PIL import Image
from torch import nn

from condetr.core.records import Prediction
from condetr.data.classes import Classes
from condetr.data.records import Dataset, Example, Object
from condetr.images.masks.rle import rle_of_mask
from condetr.model.segmenter import ConditionalDetrSegmenter

NAMES = {0: "red", 1: "green", 2: "blue"}
SIZES = ((40, 60), (60, 45), (48, 48), (41, 67), (60, 45))  # height, width
SURE = 8.0


class SeesColors(ConditionalDetrSegmenter):
    """A query a color: the pixels that are of it, and the box around them; finer than any network."""

    masks_in_boxes = False

    def __init__(self) -> None:
        nn.Module.__init__(self)

    def trace(self, pixels, mask=None):
        return pixels

    def forward(self, pixels, mask=None):
        return self.predict_last(pixels)

    def predict_last(self, trace):
        count, _, height, width = trace.shape
        logits, boxes = torch.full((count, 3, 3), -SURE), torch.full((count, 3, 4), 0.5)
        for image, color in (trace > 0.5).flatten(2).any(2).nonzero().tolist():
            rows, columns = (((trace[image, color] > 0.5).any(axis)).nonzero() for axis in (1, 0))
            y1, y2, x1, x2 = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
            centre = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height]
            boxes[image, color] = torch.tensor([*centre, (x2 - x1) / width, (y2 - y1) / height])
            logits[image, color, color] = SURE - color
        return Prediction(logits, boxes)

    def segment(self, trace, queries):
        return [(pixels[chosen] - 0.5) * 4 * SURE for pixels, chosen in zip(trace, queries, strict=True)]


def painted(folder) -> Dataset:
    """Black images; in each of the first colors' columns a block, in the last image of every color."""
    folder.mkdir()
    examples = []
    for number, size in enumerate(SIZES):
        pixels, objects = np.zeros((*size, 3), dtype=np.uint8), []
        for color in range(1 + number % 3 if number else 3):
            rows, columns = slice(5 + color, size[0] - 6), slice(3 + 14 * color, 15 + 14 * color)
            pixels[rows, columns, color] = 255
            inside = torch.from_numpy(pixels[..., color] > 0)
            box = (float(columns.start), float(rows.start), float(columns.stop), float(rows.stop))
            objects.append(Object(color, box, float(inside.sum()), segmentation=rle_of_mask(inside)))
        Image.fromarray(pixels).save(folder / f"{number}.png")
        examples.append(Example(folder / f"{number}.png", size, number, tuple(objects)))
    return Dataset(tuple(examples), Classes(tuple(NAMES.values()), (3, 9, 90), stuff=(2,)), folder, "val")
