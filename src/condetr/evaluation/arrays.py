"""A whole data set and all that was found in it, as columns; scoring never looks at images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float64, Int64

from condetr.data.records import Annotated, Dataset, Example, Object
from condetr.images.detections import Detections

Flags: TypeAlias = Bool[np.ndarray, "_rows"]
Numbers: TypeAlias = Float64[np.ndarray, "_rows"]
Positions: TypeAlias = Int64[np.ndarray, "_rows"]
Boxes: TypeAlias = Float64[np.ndarray, "_rows 4"]  # x, y, width, height in pixels, as COCO has them: no digit is lost


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Every annotation, image after image, in the order of the source.

    Attributes:
        images: position in the data set.
        labels: the data set's.
        boxes: the annotation's own, also where they stick out of the image.
        areas: in pixels; of the outline where the data set knows it.
        crowd: groups that were not labeled one by one.
    """

    images: Positions
    labels: Positions
    boxes: Boxes
    areas: Numbers
    crowd: Flags

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, kept: Flags) -> "Truth":
        return Truth(self.images[kept], self.labels[kept], self.boxes[kept], self.areas[kept], self.crowd[kept])


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Every detection, image after image; inside an image in the order it was given, which decides between ties.

    Attributes:
        images: position in the data set.
        labels: the data set's.
    """

    images: Positions
    labels: Positions
    boxes: Boxes
    scores: Numbers

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, kept: Flags) -> "Found":
        return Found(self.images[kept], self.labels[kept], self.boxes[kept], self.scores[kept])


class Labelled(NamedTuple):
    """Attributes: an object; whether it is a crowd; whether no model can learn from it, though AP counts it."""

    object: Object
    crowd: bool
    lost: bool


def labelled_in(example: Example) -> list[Labelled]:
    """Everything that COCO's AP compares with, in the order of the source."""
    kinds = ((example.objects, False, False), (example.lost, False, True))
    crowds = ((example.crowds, True, False), (example.lost_crowds, True, True))
    everything = [Labelled(one, crowd, lost) for objects, crowd, lost in (*kinds, *crowds) for one in objects]
    return sorted(everything, key=lambda one: one.object.order)


def annotated(one: Object) -> Annotated:
    """An object as COCO's AP compares with it."""
    x1, y1, x2, y2 = one.box
    return one.annotated or Annotated(x1, y1, x2 - x1, y2 - y1, one.area)


def truth_of(dataset: Dataset) -> Truth:
    rows = [
        (position, one.object.label, *annotated(one.object), one.crowd)
        for position, example in enumerate(dataset)
        for one in labelled_in(example)
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 8)
    images, labels = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
    return Truth(images, labels, table[:, 2:6], table[:, 6], table[:, 7] > 0)


def found_of(detections: Sequence[Detections], boxes: Sequence[Boxes] | None = None) -> Found:
    """What was found, one record an image of the data set, labeled as the data set is.

    Args:
        detections: one record an image.
        boxes: of each image, as a file has them; else those of ``detections``.
    """
    counts = [len(one) for one in detections]
    return Found(
        np.repeat(np.arange(len(counts), dtype=np.int64), counts),
        _joined([one.labels.numpy() for one in detections]).astype(np.int64).reshape(-1),
        _joined([xywh_of(one) for one in detections] if boxes is None else boxes).reshape(-1, 4),
        _joined([one.scores.numpy() for one in detections]).astype(np.float64).reshape(-1),
    )


def xywh_of(found: Detections) -> Boxes:
    boxes = found.boxes.numpy().astype(np.float64)
    return np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1)


def _joined(columns: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(columns) if columns else np.zeros(0)
