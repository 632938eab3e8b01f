"""Detections in a file of COCO results (https://cocodataset.org/#format-results), checked against a data set."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from condetr.core.errors import DataError, StorageError
from condetr.data.classes import Id
from condetr.data.records import Dataset
from condetr.data.report import shown
from condetr.data.strict_json import read_json
from condetr.images.detections import Detections


class _Unusable(Exception):  # noqa: N818  never leaves this file
    """The row has this fault."""


def read_predictions(path: str | Path, dataset: Dataset) -> tuple[Detections, ...]:
    """What the file says about each picture of the data set, in its order; perhaps nothing.

    Image and category ids are those of the data set's source, boxes x, y, width, height in pixels.

    Raises:
        DataError: a row is of no picture or class of the data set, or its box or score is unusable; the first is named.
        StorageError: the file cannot be read.
    """
    rows = read_json(Path(path))
    if not isinstance(rows, list):
        reason = f"holds {shown(rows)}, expected a list of image_id, category_id, bbox and score"
        raise DataError(reason, source=path)
    positions = _Ids("picture", {example.image_id: position for position, example in enumerate(dataset)})
    labels = _Ids("category", dataset.classes.label_of_source)
    by_picture: list[list[tuple[int, list[float], float]]] = [[] for _ in dataset.examples]
    faults: list[tuple[int, str]] = []
    for number, row in enumerate(rows):
        try:
            if not isinstance(row, dict):
                raise _Unusable(f"is {shown(row)}, expected an object")  # noqa: TRY301  told like the other faults
            position, label = positions.find(row, "image_id"), labels.find(row, "category_id")
            by_picture[position].append((label, _box_of(row), _score_of(row)))
        except _Unusable as fault:
            faults.append((number, str(fault)))
    if faults:
        number, said = faults[0]
        more = f"; and {len(faults) - 1} more rows like it" if len(faults) > 1 else ""
        hint = "the file must be about the same split of the same data set"
        raise DataError(said + more, source=path, item=f"[{number}]", hint=hint)
    names = dataset.classes.names
    return tuple(
        _detections_of(found, names, example.size, str(example.path))
        for example, found in zip(dataset, by_picture, strict=True)
    )


def write_predictions(path: Path, dataset: Dataset, found: Sequence[Detections]) -> None:
    """The file that ``read_predictions`` reads.

    Raises:
        StorageError: it cannot be written.
    """
    rows = [
        row | {"image_id": example.image_id, "category_id": dataset.classes.source_ids[row["category_id"]]}
        for example, one in zip(dataset, found, strict=True)
        for row in one.to_coco(0)
    ]
    text = ",\n".join(json.dumps(row, allow_nan=False) for row in rows)
    try:
        path.write_text(f"[{text}]\n", encoding="ascii")
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror or error}", source=path) from error


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
        said = "" if twin is None else f"; it has {shown(twin)} of type {type(twin).__name__}"
        raise _Unusable(
            f"{field} {shown(given)} of type {type(given).__name__} is no {self._what} of the data set{said}"
        )


def _box_of(row: Mapping[str, Any]) -> list[float]:
    box = row.get("bbox")
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise _Unusable(f"bbox is {shown(box)}, expected 4 finite numbers: x, y, width, height")
    x, y, width, height = map(float, box)
    if width < 0 or height < 0:
        raise _Unusable(f"bbox {shown(box)} has a negative width or height; expected x, y, width, height")
    return [x, y, x + width, y + height]


def _score_of(row: Mapping[str, Any]) -> float:
    score = row.get("score")
    if not _is_number(score):
        raise _Unusable(f"score is {shown(score)}, expected a finite number")
    return float(row["score"])


def _is_number(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond 1e308
        return False


def _detections_of(
    found: list[tuple[int, list[float], float]], names: tuple[str, ...], size: tuple[int, int], source: str
) -> Detections:
    labels, boxes, scores = zip(*found, strict=True) if found else ((), (), ())
    return Detections(
        boxes=torch.tensor(boxes, dtype=torch.float64).reshape(-1, 4),
        scores=torch.tensor(scores, dtype=torch.float64),
        labels=torch.tensor(labels, dtype=torch.int64),
        names=tuple(names[label] for label in labels),
        size=size,
        source=source,
    )
