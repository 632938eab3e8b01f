"""A whole data set and all that was found in it, as columns; scoring never looks at pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float64, Int64

from condetr.data.records import Dataset
from condetr.images.detections import Detections

Flags: TypeAlias = Bool[np.ndarray, "_rows"]
Numbers: TypeAlias = Float64[np.ndarray, "_rows"]
Positions: TypeAlias = Int64[np.ndarray, "_rows"]
Boxes: TypeAlias = Float64[np.ndarray, "_rows 4"]  # x1, y1, x2, y2 in pixels of the picture


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Every labelled object, picture after picture.

    Attributes:
        pictures: position in the data set.
        labels: the data set's.
        areas: in pixels; of the outline where the data set knows it.
        crowd: groups that were not labelled one by one.
    """

    pictures: Positions
    labels: Positions
    boxes: Boxes
    areas: Numbers
    crowd: Flags

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, kept: Flags) -> "Truth":
        return Truth(self.pictures[kept], self.labels[kept], self.boxes[kept], self.areas[kept], self.crowd[kept])


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Every detection, picture after picture; inside a picture in the order it was given, which decides between ties.

    Attributes:
        pictures: position in the data set.
        labels: the data set's.
    """

    pictures: Positions
    labels: Positions
    boxes: Boxes
    scores: Numbers

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, kept: Flags) -> "Found":
        return Found(self.pictures[kept], self.labels[kept], self.boxes[kept], self.scores[kept])


def truth_of(dataset: Dataset) -> Truth:
    rows = [
        (position, one.label, *one.box, one.area, crowd)
        for position, example in enumerate(dataset)
        for crowd, objects in ((0, example.objects), (1, example.crowds))
        for one in objects
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 8)
    pictures, labels = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    return Truth(pictures, labels, table[:, 2:6], table[:, 6], table[:, 7] > 0)


def found_of(detections: Sequence[Detections]) -> Found:
    """What was found, one record a picture of the data set, labelled as the data set is."""
    counts = [len(one) for one in detections]
    return Found(
        np.repeat(np.arange(len(counts), dtype=np.int64), counts),
        _joined([one.labels.numpy() for one in detections]).astype(np.int64).reshape(-1),
        _joined([one.boxes.numpy() for one in detections]).astype(np.float64).reshape(-1, 4),
        _joined([one.scores.numpy() for one in detections]).astype(np.float64).reshape(-1),
    )


def xywh_of(boxes: Boxes) -> Boxes:
    """As COCO and hotcoco have them: x, y, width, height."""
    return np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1)


def _joined(columns: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(columns) if columns else np.zeros(0)
