"""Detections in a file of COCO results (https://cocodataset.org/#format-results), checked against a dataset."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from condetr.core.errors import DataError
from condetr.core.short_repr import short_repr
from condetr.data.checks.problems import Outcome
from condetr.data.classes import Id
from condetr.data.records import Dataset
from condetr.evaluation.arrays import Boxes
from condetr.evaluation.coco_ap import Rle
from condetr.files.atomic_write import writing_to
from condetr.files.json_reading import read_json
from condetr.images.coco_labels.fields import SegmentationError
from condetr.images.coco_labels.segmentation import mask_of_segmentation
from condetr.images.detections import Detections
from condetr.images.masks.box import box_of_mask
from condetr.images.masks.rle import rle_of_mask
from condetr.images.sizes import HeightWidth


class _Unusable(Exception):  # noqa: N818  never leaves this file
    """Carries the problem of a row."""


class Predictions(NamedTuple):
    """Predictions for each image of a dataset.

    Attributes:
        detections: one record per image.
        boxes: x, y, width, height of each detection, exactly as in the file.
        masks: one per detection, where masks were read.
        boxed: whether the rows have boxes, whose area pycocotools then uses for the detection, or masks alone.
    """

    detections: tuple[Detections, ...]
    boxes: tuple[Boxes, ...]
    masks: tuple[tuple[Rle, ...], ...] | None = None
    boxed: bool = True


class _Row(NamedTuple):
    label: int
    box: list[float]
    score: float
    mask: Rle | None


def read_predictions(path: str | Path, dataset: Dataset, *, masks: bool = False) -> Predictions:
    """Read detections for each image of the dataset, in its order; an image may have none.

    Image and category ids are those of the dataset's source, boxes x, y, width, height in pixels.

    Args:
        path: a JSON file with a list of rows.
        dataset: that the rows refer to.
        masks: whether every row needs a segmentation; else segmentations are ignored. Where the first row has no box,
            boxes are computed from the masks.

    Raises:
        DataError: a row has an image or class that the dataset lacks, or an unusable box, score or mask; the message
            names the first such row.
        StorageError: the file cannot be read.
    """
    rows = read_json(Path(path))
    if not isinstance(rows, list):
        reason = f"holds {short_repr(rows)}, expected a list of image_id, category_id, bbox and score"
        raise DataError(reason, source=path)
    positions = _Ids("image", {image_id: position for position, image_id in enumerate(dataset.columns.image_ids)})
    labels = _Ids("category", dataset.classes.label_of_source)
    by_image: list[list[_Row]] = [[] for _ in dataset.examples]
    problems: list[tuple[int, str]] = []
    boxed = not masks or _has_box(rows)
    for number, row in enumerate(rows):
        try:
            if not isinstance(row, dict):
                raise _Unusable(f"is {short_repr(row)}, expected an object")  # noqa: TRY301  reported like the other problems
            position, label = positions.find(row, "image_id"), labels.find(row, "category_id")
            mask = mask_of_segmentation(row.get("segmentation"), dataset[position].size) if masks else None
            box = _box_of(row) if mask is None or boxed or row.get("bbox") else _box_around(mask)
            rle = None if mask is None else rle_of_mask(mask)  # checked before other libraries read it
            by_image[position].append(_Row(label, box, _score_of(row), rle))
        except (_Unusable, SegmentationError) as problem:
            problems.append((number, str(problem)))
    if problems:
        number, reason = problems[0]
        more = f"; and {len(problems) - 1} more rows like it" if len(problems) > 1 else ""
        hint = "the predictions must be for the same split of the same dataset"
        if dataset.report.count_of(Outcome.LEFT_OUT):
            hint += ", which has images or objects that were left out: missing images cannot be evaluated"
        raise DataError(reason + more, source=path, item=f"[{number}]", hint=hint)
    names = dataset.classes.names
    detections = tuple(
        _detections_of(of_image, names, example.size, str(example.path))
        for example, of_image in zip(dataset, by_image, strict=True)
    )
    of_rows = tuple(tuple(row.mask for row in of_image if row.mask is not None) for of_image in by_image)
    boxes = tuple(np.array([row.box for row in of_image]).reshape(-1, 4) for of_image in by_image)
    return Predictions(detections, boxes, of_rows if masks else None, boxed)


def write_predictions(
    path: Path,
    dataset: Dataset,
    detections: Sequence[Detections],
    masks: Sequence[Sequence[Rle]] | None = None,
    boxes: Sequence[Boxes] | None = None,
    *,
    boxed: bool = True,
) -> None:
    """The file that ``read_predictions`` reads.

    Args:
        path: of the new file.
        dataset: that the detections refer to.
        detections: one record per image.
        masks: of each image, one per detection.
        boxes: of each image, exactly; by default those of ``detections``.
        boxed: whether rows have boxes, or masks alone.

    Raises:
        StorageError: it cannot be written.
    """
    rows = [
        row | {"image_id": example.image_id, "category_id": dataset.classes.source_ids[row["category_id"]]}
        for example, of_image in zip(dataset, detections, strict=True)
        for row in of_image.to_coco(0)
    ]
    if boxes is not None:
        exact = (box for of_image in boxes for box in of_image.tolist())
        rows = [row | {"bbox": box} for row, box in zip(rows, exact, strict=True)]
    if not boxed:
        rows = [{name: value for name, value in row.items() if name != "bbox"} for row in rows]
    if masks is not None:
        each = (rle for of_image in masks for rle in of_image)
        rows = [row | {"segmentation": rle} for row, rle in zip(rows, each, strict=True)]
    text = ",\n".join(json.dumps(row, allow_nan=False) for row in rows)
    with writing_to(path):
        path.write_text(f"[{text}]\n", encoding="ascii")


class _Ids:
    """Finds the image or class of an id of the dataset's source."""

    def __init__(self, kind: str, positions: Mapping[Id, int]) -> None:
        self._kind, self._positions = kind, positions
        self._by_text = {str(number): number for number in positions}

    def find(self, row: Mapping[str, Any], field: str) -> int:
        if field not in row:
            raise _Unusable(f"has no {field}")
        value = row[field]
        if type(value) in (int, str) and value in self._positions:
            return self._positions[value]
        similar = self._by_text.get(str(value))
        but = "" if similar is None else f"; it has {short_repr(similar)} of type {type(similar).__name__}"
        raise _Unusable(
            f"{field} {short_repr(value)} of type {type(value).__name__} is no {self._kind} of the dataset{but}"
        )


def _box_of(row: Mapping[str, Any]) -> list[float]:
    box = row.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise _Unusable(f"bbox is {short_repr(box)}, expected 4 finite numbers: x, y, width, height")
    x, y, width, height = map(float, box)
    if width < 0 or height < 0:
        raise _Unusable(f"bbox {short_repr(box)} has a negative width or height; expected x, y, width, height")
    return [x, y, width, height]


def _has_box(rows: Sequence[object]) -> bool:
    """Whether the first row has one, which pycocotools goes by."""
    return not rows or not isinstance(rows[0], dict) or rows[0].get("bbox") not in (None, [])


def _box_around(mask: Bool[Tensor, "height width"]) -> list[float]:
    x1, y1, x2, y2 = box_of_mask(mask) if mask.any() else (0, 0, 0, 0)
    return [float(x1), float(y1), float(x2 - x1), float(y2 - y1)]


def _score_of(row: Mapping[str, Any]) -> float:
    score = row.get("score")
    if not _is_number(score):
        raise _Unusable(f"score is {short_repr(score)}, expected a finite number")
    return float(row["score"])


def _is_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond 1e308
        return False


def _detections_of(rows: list[_Row], names: tuple[str, ...], size: HeightWidth, source: str) -> Detections:
    labels, boxes, scores, _ = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Detections(
        boxes=torch.tensor([(x, y, x + wide, y + high) for x, y, wide, high in boxes], dtype=torch.float64).reshape(
            -1, 4
        ),
        scores=torch.tensor(scores, dtype=torch.float64),
        labels=torch.tensor(labels, dtype=torch.int64),
        names=tuple(names[label] for label in labels),
        size=size,
        source=source,
    )
