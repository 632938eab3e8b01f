"""Objects and detections as base64 columns of little-endian numbers, which JavaScript reads as typed arrays."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt16

from condetr.core.errors import UsageError
from condetr.data.records import Dataset
from condetr.evaluation.arrays import Boxes, Flags, GroundTruth, Numbers, Positions, PredictedObjects
from condetr.evaluation.tide import Matches
from condetr.images.sizes import HeightWidth

STEPS = 1000  # of scores
_FULL = 2**16 - 1  # the width or height of an image
_MOST_CLASSES = 2**16


def object_columns(truth: GroundTruth, dataset: Dataset) -> dict[str, str]:
    """``starts`` of each image and the end; ``labels``; ``crowd``; ``boxes``: x1, y1, x2, y2 in 1/65535 of it."""
    return {
        "starts": _starts(truth.images, len(dataset)),
        "labels": _labels(truth.labels, dataset),
        "crowd": base64_of(truth.crowd, "u1"),
        "boxes": base64_of(_fractions(truth.boxes, truth.images, [example.size for example in dataset]), "<u2"),
    }


def detection_columns(predicted: PredictedObjects, matches: Matches, dataset: Dataset) -> dict[str, str]:
    """As of objects; ``scores`` (see `steps_of`), ``kinds``, and ``about``: the number of an object from 1, or 0."""
    return {
        "starts": _starts(predicted.images, len(dataset)),
        "labels": _labels(predicted.labels, dataset),
        "scores": base64_of(steps_of(predicted.scores), "<u2"),
        "kinds": base64_of(matches.kinds, "u1"),
        "about": base64_of(matches.about + 1, "<u4"),
        "boxes": base64_of(_fractions(predicted.boxes, predicted.images, [each.size for each in dataset]), "<u2"),
    }


def steps_of(scores: Numbers) -> Positions:
    """The number s of thousandths for which ``score > t / 1000`` is ``s > t``, for every whole t."""
    return np.searchsorted(np.arange(STEPS + 1) / STEPS, scores).astype(np.int64)


def base64_of(values: Positions | Flags | UInt16[np.ndarray, "*axes"], dtype: str) -> str:
    return b64encode(values.astype(dtype).tobytes()).decode()


def _starts(images: Positions, count: int) -> str:
    return base64_of(np.searchsorted(images, np.arange(count + 1)).astype(np.int64), "<u4")


def _labels(labels: Positions, dataset: Dataset) -> str:
    if len(dataset.classes) > _MOST_CLASSES:
        raise UsageError(f"there are {len(dataset.classes)} classes; a page has at most {_MOST_CLASSES}", item="html")
    return base64_of(labels, "<u2")


def _fractions(boxes: Boxes, images: Positions, sizes: Sequence[HeightWidth]) -> UInt16[np.ndarray, "_rows 4"]:
    """Corners inside the image."""
    width_height = np.array([(width, height) for height, width in sizes], dtype=np.float64).reshape(-1, 2)[images]
    corners = np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), axis=1) / np.tile(width_height, (1, 2))
    return (np.clip(corners, 0, 1) * _FULL).round().astype(np.uint16)


def columns_bytes(*columns: dict[str, Any]) -> int:
    return sum(len(text) for each in columns for text in each.values())
