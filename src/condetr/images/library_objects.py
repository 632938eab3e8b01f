"""Detections as objects of other libraries, which are imported when they are needed: pandas, supervision, FiftyOne."""

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from condetr.core.errors import MissingExtraError
from condetr.images.detection import Detection
from condetr.images.sizes import HeightWidth

Mask = Bool[Tensor, "_height _width"]


def data_frame(columns: Mapping[str, Any], purpose: str) -> Any:
    """A pandas DataFrame of these columns.

    Raises:
        MissingExtraError: pandas is not installed.
    """
    return _library("pandas", "pandas", purpose).DataFrame(dict(columns))


def supervision_detections(
    detections: Sequence[Detection], masks: Iterable[Mask] | None, tracks: Sequence[int | None] | None
) -> Any:
    """As `supervision.Detections`; -1 for no track.

    Raises:
        MissingExtraError: supervision is not installed.
    """
    planes = [] if masks is None else [mask.cpu() for mask in masks]
    return _library("supervision", "video", "to_supervision()").Detections(
        xyxy=np.array([detection.box for detection in detections], dtype=np.float32).reshape(-1, 4),
        confidence=np.array([detection.score for detection in detections], dtype=np.float32),
        class_id=np.array([detection.label for detection in detections], dtype=np.int64),
        mask=torch.stack(planes).numpy() if planes else None,
        tracker_id=None if tracks is None else np.array([-1 if track is None else track for track in tracks]),
        data={"class_name": [detection.name for detection in detections]},
    )


def fiftyone_detections(
    detections: Sequence[Detection],
    size: HeightWidth,
    masks: Iterable[Mask] | None,
    tracks: Sequence[int | None] | None,
) -> Any:
    """As `fiftyone.Detections`: boxes as fractions of the image, masks inside their boxes, tracks as ``index``.

    Raises:
        MissingExtraError: fiftyone is not installed.
    """
    fiftyone = _library("fiftyone", "fiftyone", "to_fiftyone()")
    parts: Iterator[Mask | None] = iter([None] * len(detections)) if masks is None else iter(masks)
    made = []
    for detection, mask, track in zip(detections, parts, tracks or [None] * len(detections), strict=True):
        values: dict[str, Any] = {"label": detection.name, "confidence": detection.score}
        values["bounding_box"] = _fractions(detection.box, size)
        if mask is not None:
            values["mask"] = _inside(mask, detection.box).cpu().numpy()
        if track is not None:
            values["index"] = track
        made.append(fiftyone.Detection(**values))
    return fiftyone.Detections(detections=made)


def _fractions(box: tuple[float, float, float, float], size: HeightWidth) -> list[float]:
    """(x, y, width, height) relative to the image."""
    (x1, y1, x2, y2), (height, width) = box, size
    return [x1 / width, y1 / height, (x2 - x1) / width, (y2 - y1) / height]


def _inside(mask: Mask, box: tuple[float, float, float, float]) -> Mask:
    """The pixels of the box, at least one."""
    x1, y1, x2, y2 = map(round, box)
    height, width = mask.shape
    left, top = min(x1, width - 1), min(y1, height - 1)
    return mask[top : max(y2, top + 1), left : max(x2, left + 1)]


def _library(name: str, extra: str, purpose: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingExtraError(name, extra, purpose) from None
