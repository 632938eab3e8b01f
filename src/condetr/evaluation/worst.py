"""The images with most errors, side by side; the color of a box is its kind of error."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int64
from PIL import Image

from condetr.charts.sheet import FAINT, color_key, tiled
from condetr.core.errors import ImageError
from condetr.data.records import Dataset
from condetr.evaluation.arrays import GroundTruth, PredictedObjects, ground_truth_of, predicted_objects_of
from condetr.evaluation.report_charts import KIND_COLORS
from condetr.evaluation.tide import ERRORS, Kind, Matches, match_detections
from condetr.images.decoding.decode import decode
from condetr.images.decoding.sources import Source
from condetr.images.detections import Detections
from condetr.images.drawing.colors import Color
from condetr.images.drawing.marks import OccupiedSpace, captioned, font_of, paint_box, paint_tag, scored

_GAP = 8
_LARGEST_SCALE = 3.0  # a small image is enlarged until its boxes can be told apart
_COLORS: dict[str, Color] = {Kind.HIT.word: (40, 160, 70), **KIND_COLORS}


class _Mark(NamedTuple):
    box: Sequence[float]
    text: str
    color: Color


def worst_images(
    dataset: Dataset,
    detections: Sequence[Detections],
    *,
    threshold: float,
    shown: int = 12,
    columns: int = 4,
    side: int = 320,
) -> Image.Image | None:
    """Those with most errors among detections above ``threshold``, their names below; None without an error."""
    truth, predicted, matches = _matched(dataset, detections, threshold)
    wrong = _errors_by_image(truth, predicted, matches, len(dataset)).sum(axis=1)
    chosen = [position for position in np.argsort(-wrong, kind="stable")[:shown].tolist() if wrong[position]]
    if not chosen:
        return None
    tiles = []
    for position in chosen:
        marks = list(_marks(position, dataset.classes.names, truth, predicted, matches))
        name, tile = dataset.name_of(dataset[position]), _tile(dataset[position].image, marks, side)
        count = f"{wrong[position]} error{'s' if wrong[position] > 1 else ''}"
        about = f"{name}: {'can no longer be read' if tile is None else count}"
        tiles.append(captioned(tile or Image.new("RGB", (side, side // 2), FAINT), about, width=side))
    return tiled([color_key(_COLORS.items()), tiled(tiles, columns, gap=_GAP)], 1, gap=_GAP, margin=_GAP)


def worst_rows(dataset: Dataset, detections: Sequence[Detections], *, threshold: float) -> list[dict[str, Any]]:
    """The images with errors, the worst first: counts of each kind, and the highest score of a wrong detection."""
    truth, predicted, matches = _matched(dataset, detections, threshold)
    counts = _errors_by_image(truth, predicted, matches, len(dataset))
    highest = np.full(len(dataset), -np.inf)
    is_wrong = np.isin(matches.kinds, ERRORS)
    np.maximum.at(highest, predicted.images[is_wrong], predicted.scores[is_wrong])
    rows = []
    for position in np.argsort(-counts.sum(axis=1), kind="stable").tolist():
        if counts[position].any():
            kinds = dict(zip((kind.word for kind in ERRORS), counts[position].tolist(), strict=True))
            total = {"errors": sum(kinds.values()), "false": sum(kinds.values()) - kinds[Kind.MISSED.word]}
            score = float(highest[position]) if np.isfinite(highest[position]) else None
            rows.append({"file": dataset.name_of(dataset[position])} | total | kinds | {"highest_score": score})
    return rows


def _matched(
    dataset: Dataset, detections: Sequence[Detections], threshold: float
) -> tuple[GroundTruth, PredictedObjects, Matches]:
    truth, predicted = ground_truth_of(dataset), predicted_objects_of(detections)
    predicted = predicted.where(predicted.scores > threshold)
    return truth, predicted, match_detections(truth, predicted)


def _errors_by_image(
    truth: GroundTruth, predicted: PredictedObjects, matches: Matches, images: int
) -> Int64[np.ndarray, "images kinds"]:
    of_detections = [np.bincount(predicted.images[matches.kinds == kind], minlength=images) for kind in ERRORS[:-1]]
    return np.stack([*of_detections, np.bincount(truth.images[matches.missed], minlength=images)], axis=1)


def _marks(
    position: int, names: Sequence[str], truth: GroundTruth, predicted: PredictedObjects, matches: Matches
) -> Iterator[_Mark]:
    for row in np.flatnonzero((truth.images == position) & matches.missed):
        yield _Mark(_corners(truth.boxes[row]), f"{names[truth.labels[row]]} missed", _COLORS[Kind.MISSED.word])
    for row in np.flatnonzero((predicted.images == position) & (matches.kinds != Kind.IGNORED))[::-1]:
        kind, name = Kind(matches.kinds[row]), names[predicted.labels[row]]
        instead = f" for {names[truth.labels[matches.about[row]]]}" if kind is Kind.CLASSIFICATION else ""
        yield _Mark(
            _corners(predicted.boxes[row]), scored(f"{name}{instead}", predicted.scores[row]), _COLORS[kind.word]
        )


def _corners(box: Float64[np.ndarray, "4"]) -> list[float]:
    x, y, width, height = box.tolist()
    return [x, y, x + width, y + height]


def _tile(source: Source, marks: Sequence[_Mark], side: int) -> Image.Image | None:
    """None where the image can no longer be decoded."""
    try:
        image = decode(source)
    except ImageError:
        return None
    scale = min(side / max(image.size), _LARGEST_SCALE)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    tile = image.resize(size, Image.Resampling.LANCZOS)
    font, taken = font_of(11), OccupiedSpace()
    for mark in marks:
        box = [edge * scale for edge in mark.box]
        paint_box(tile, box, mark.color)
        paint_tag(tile, (box[0], box[1]), mark.text, mark.color, font, taken)
    return tile
