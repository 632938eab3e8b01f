"""The annotations of a dataset and all detections in it, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float64, Int64

from condetr.data.records import Dataset, Example, Object
from condetr.images.detections import Detections

Flags: TypeAlias = Bool[np.ndarray, "_rows"]
Numbers: TypeAlias = Float64[np.ndarray, "_rows"]
Positions: TypeAlias = Int64[np.ndarray, "_rows"]
Boxes: TypeAlias = Float64[np.ndarray, "_rows 4"]  # x, y, width, height in pixels, exactly as in COCO files

_COUNTED, _CROWDS = ("objects", "lost", "crowds", "lost_crowds"), ("crowds", "lost_crowds")


@dataclass(frozen=True, slots=True, eq=False)
class GroundTruth:
    """Every annotation, image after image, in the order of the source.

    Attributes:
        images: position of the image in the dataset.
        labels: contiguous class indices of the dataset.
        boxes: as annotated, also where they reach over the edge of the image.
        areas: in pixels; of the segmentation where the dataset has it.
        crowd: COCO's iscrowd: groups that were not labeled one by one.
    """

    images: Positions
    labels: Positions
    boxes: Boxes
    areas: Numbers
    crowd: Flags

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, kept: Flags) -> "GroundTruth":
        return GroundTruth(self.images[kept], self.labels[kept], self.boxes[kept], self.areas[kept], self.crowd[kept])


@dataclass(frozen=True, slots=True, eq=False)
class PredictedObjects:
    """Every detection, image after image; within an image in the order of the input, which decides between ties.

    Attributes:
        images: position of the image in the dataset.
        labels: contiguous class indices of the dataset.
    """

    images: Positions
    labels: Positions
    boxes: Boxes
    scores: Numbers

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, kept: Flags) -> "PredictedObjects":
        return PredictedObjects(self.images[kept], self.labels[kept], self.boxes[kept], self.scores[kept])


class Labeled(NamedTuple):
    """Attributes: an object; whether it is a crowd; whether it is no training target, though AP counts it."""

    object: Object
    crowd: bool
    lost: bool


def labeled_in(example: Example) -> list[Labeled]:
    """All annotations that COCO's AP counts, in the order of the source."""
    kinds = ((example.objects, False, False), (example.lost, False, True))
    crowds = ((example.crowds, True, False), (example.lost_crowds, True, True))
    everything = [Labeled(item, crowd, lost) for objects, crowd, lost in (*kinds, *crowds) for item in objects]
    return sorted(everything, key=lambda labeled: labeled.object.order)


def ground_truth_of(dataset: Dataset) -> GroundTruth:
    """What `labeled_in` lists for every image, as arrays."""
    columns = dataset.columns
    objects = [columns.objects(kind) for kind in _COUNTED]
    stated = [columns.annotated(kind) for kind in _COUNTED]
    images = np.concatenate([of_kind.images for of_kind in objects])
    order = np.lexsort((np.concatenate([of_kind.orders for of_kind in stated]), images))  # stable, as `sorted`
    values = np.concatenate([of_kind.values for of_kind in stated])[order]
    labels = np.concatenate([of_kind.labels for of_kind in objects])[order]
    crowd = np.repeat([kind in _CROWDS for kind in _COUNTED], [len(of_kind.images) for of_kind in objects])[order]
    return GroundTruth(images[order], labels, values[:, :4], values[:, 4], crowd)


def predicted_objects_of(detections: Sequence[Detections], boxes: Sequence[Boxes] | None = None) -> PredictedObjects:
    """Detections as arrays.

    Args:
        detections: one record per image of the dataset, with its labels.
        boxes: of each image, as in a file of predictions; by default those of ``detections``.
    """
    counts = [len(of_image) for of_image in detections]
    return PredictedObjects(
        np.repeat(np.arange(len(counts), dtype=np.int64), counts),
        _joined([of_image.labels.numpy() for of_image in detections]).astype(np.int64).reshape(-1),
        _joined([xywh_of(of_image) for of_image in detections] if boxes is None else boxes).reshape(-1, 4),
        _joined([of_image.scores.numpy() for of_image in detections]).astype(np.float64).reshape(-1),
    )


def xywh_of(detections: Detections) -> Boxes:
    boxes = detections.boxes.numpy().astype(np.float64)
    return np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), axis=1)


def _joined(columns: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(columns) if columns else np.zeros(0)
