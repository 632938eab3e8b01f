"""Detections in a file of COCO results (https://cocodataset.org/#format-results), checked against a data set."""

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
from condetr.evaluation.mask_ap import Runs
from condetr.files.atomic_write import writing_to
from condetr.files.json_reading import read_json
from condetr.images.coco_labels.fields import SegmentationError
from condetr.images.coco_labels.segmentation import mask_of_segmentation
from condetr.images.detections import Detections
from condetr.images.masks.rle import rle_of_mask
from condetr.images.sizes import HeightWidth


class _Unusable(Exception):  # noqa: N818  never leaves this file
    """The row has this problem."""


class Predictions(NamedTuple):
    """What a file says about each image of a data set.

    Attributes:
        found: one record.
        boxes: x, y, width, height of each detection, as they are written.
        masks: one for each detection, where masks were read.
        boxed: whether the rows have boxes, whose area pycocotools then takes for the detection's, or masks alone.
    """

    found: tuple[Detections, ...]
    boxes: tuple[Boxes, ...]
    masks: tuple[tuple[Runs, ...], ...] | None = None
    boxed: bool = True


class _Row(NamedTuple):
    label: int
    box: list[float]
    score: float
    mask: Runs | None


def read_predictions(path: str | Path, dataset: Dataset, *, masks: bool = False) -> Predictions:
    """What the file says about each image of the data set, in its order; perhaps nothing.

    Image and category ids are those of the data set's source, boxes x, y, width, height in pixels.

    Args:
        path: a list of rows.
        dataset: what the rows are about.
        masks: whether every row needs a segmentation; else they are not looked at. Where the first row has nothing but
            that, boxes are those around the masks.

    Raises:
        DataError: a row is of no image or class of the data set, or its box, score or mask is unusable; the first is
            named.
        StorageError: the file cannot be read.
    """
    rows = read_json(Path(path))
    if not isinstance(rows, list):
        reason = f"holds {short_repr(rows)}, expected a list of image_id, category_id, bbox and score"
        raise DataError(reason, source=path)
    positions = _Ids("picture", {example.image_id: position for position, example in enumerate(dataset)})
    labels = _Ids("category", dataset.classes.label_of_source)
    by_image: list[list[_Row]] = [[] for _ in dataset.examples]
    faults: list[tuple[int, str]] = []
    boxed = not masks or _has_box(rows)
    for number, row in enumerate(rows):
        try:
            if not isinstance(row, dict):
                raise _Unusable(f"is {short_repr(row)}, expected an object")  # noqa: TRY301  told like the other faults
            position, label = positions.find(row, "image_id"), labels.find(row, "category_id")
            mask = mask_of_segmentation(row.get("segmentation"), dataset[position].size) if masks else None
            box = _box_of(row) if mask is None or boxed or row.get("bbox") else _box_around(mask)
            runs = None if mask is None else rle_of_mask(mask)  # checked before any other library sees it
            by_image[position].append(_Row(label, box, _score_of(row), runs))
        except (_Unusable, SegmentationError) as problem:
            faults.append((number, str(problem)))
    if faults:
        number, said = faults[0]
        more = f"; and {len(faults) - 1} more rows like it" if len(faults) > 1 else ""
        hint = "the file must be about the same split of the same data set"
        if dataset.report.count_of(Outcome.LEFT_OUT):
            hint += ", of which something was left out: images that are not there cannot be measured"
        raise DataError(said + more, source=path, item=f"[{number}]", hint=hint)
    names = dataset.classes.names
    found = tuple(
        _detections_of(of_image, names, example.size, str(example.path))
        for example, of_image in zip(dataset, by_image, strict=True)
    )
    of_rows = tuple(tuple(row.mask for row in of_image if row.mask is not None) for of_image in by_image)
    boxes = tuple(np.array([row.box for row in of_image]).reshape(-1, 4) for of_image in by_image)
    return Predictions(found, boxes, of_rows if masks else None, boxed)


def write_predictions(
    path: Path,
    dataset: Dataset,
    found: Sequence[Detections],
    masks: Sequence[Sequence[Runs]] | None = None,
    boxes: Sequence[Boxes] | None = None,
    *,
    boxed: bool = True,
) -> None:
    """The file that ``read_predictions`` reads.

    Args:
        path: where to.
        dataset: what was looked at.
        found: one record an image.
        masks: of each image, one for each detection.
        boxes: of each image, to the last digit; else those of ``found``.
        boxed: whether rows have boxes, or masks alone.

    Raises:
        StorageError: it cannot be written.
    """
    rows = [
        row | {"image_id": example.image_id, "category_id": dataset.classes.source_ids[row["category_id"]]}
        for example, one in zip(dataset, found, strict=True)
        for row in one.to_coco(0)
    ]
    if boxes is not None:
        as_given = (box for of_image in boxes for box in of_image.tolist())
        rows = [row | {"bbox": box} for row, box in zip(rows, as_given, strict=True)]
    if not boxed:
        rows = [{name: value for name, value in row.items() if name != "bbox"} for row in rows]
    if masks is not None:
        each = (runs for of_image in masks for runs in of_image)
        rows = [row | {"segmentation": runs} for row, runs in zip(rows, each, strict=True)]
    text = ",\n".join(json.dumps(row, allow_nan=False) for row in rows)
    with writing_to(path):
        path.write_text(f"[{text}]\n", encoding="ascii")


class _Ids:
    """Finds what an id of the data set's source stands for."""

    def __init__(self, what: str, known: Mapping[Id, int]) -> None:
        self._what, self._known = what, known
        self._by_text = {str(one): one for one in known}

    def find(self, row: Mapping[str, Any], field: str) -> int:
        if field not in row:
            raise _Unusable(f"has no {field}")
        given = row[field]
        if type(given) in (int, str) and given in self._known:
            return self._known[given]
        twin = self._by_text.get(str(given))
        said = "" if twin is None else f"; it has {short_repr(twin)} of type {type(twin).__name__}"
        raise _Unusable(
            f"{field} {short_repr(given)} of type {type(given).__name__} is no {self._what} of the data set{said}"
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
    """By the first, as pycocotools tells."""
    return not rows or not isinstance(rows[0], dict) or rows[0].get("bbox") not in (None, [])


def _box_around(mask: Bool[Tensor, "height width"]) -> list[float]:
    rows, columns = mask.any(dim=1).nonzero()[:, 0], mask.any(dim=0).nonzero()[:, 0]
    if not len(rows):
        return [0.0, 0.0, 0.0, 0.0]
    left, top = columns[0].item(), rows[0].item()
    return [float(left), float(top), columns[-1].item() + 1.0 - left, rows[-1].item() + 1.0 - top]


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


def _detections_of(found: list[_Row], names: tuple[str, ...], size: HeightWidth, source: str) -> Detections:
    labels, boxes, scores, _ = zip(*found, strict=True) if found else ((), (), (), ())
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
