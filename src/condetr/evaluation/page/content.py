"""What the page of a report shows, as JSON values."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from condetr.data.records import Dataset
from condetr.evaluation.arrays import Positions, PredictedObjects, ground_truth_of, predicted_objects_of
from condetr.evaluation.calibration import LOWEST, Calibration, calibration_of
from condetr.evaluation.page.columns import STEPS, columns_bytes, detection_columns, object_columns
from condetr.evaluation.page.thumbnails import thumbnails
from condetr.evaluation.report import Report
from condetr.evaluation.tide import Kind, match_detections

THRESHOLD = 0.5  # of a report without errors and confusion
_LARGEST = 13_000_000  # characters of the page, if it has no more images than this:
_MOST_THUMBNAILS = 5000


def content_of(report: Report, folder: Path) -> dict[str, Any]:
    """JSON values.

    Args:
        report: to show.
        folder: of the page; links to images are relative to it.
    """
    dataset, names = report.dataset, report.dataset.classes.names
    threshold = next((part.threshold for part in (report.errors, report.confusion) if part is not None), THRESHOLD)
    lowest = min(LOWEST, threshold)
    truth, predicted = ground_truth_of(dataset), predicted_objects_of(report.found, report.boxes)
    predicted = predicted.where(predicted.scores > lowest)
    matches = match_detections(truth, predicted)
    columns = object_columns(truth, dataset), detection_columns(predicted, matches, dataset)
    links = [_link(example.path, folder) for example in dataset]
    room = _LARGEST - columns_bytes(*columns) - sum(map(len, links))
    return {
        "threshold": threshold,
        "lowest": lowest,
        "steps": STEPS,
        "classes": list(names),
        "kinds": [kind.word for kind in Kind],
        "ap": None if report.per_class is None else [report.per_class[name].ap for name in names],
        "costs": None if report.errors is None else dict(report.errors.costs),
        "layers": None if report.layers is None else [asdict(layer) for layer in report.layers],
        "calibration": _calibration(calibration_of(predicted, matches, names), names),
        "objects": columns[0],
        "detections": columns[1],
        "images": {
            "names": [dataset.name_of(example) for example in dataset],
            "links": links,
            "sizes": [[width, height] for height, width in (example.size for example in dataset)],
            "thumbnails": _thumbnails(dataset, predicted, matches.kinds, room),
        },
    }


def _calibration(calibration: Calibration, names: tuple[str, ...]) -> dict[str, Any]:
    """Of all detections, and a list of the classes."""
    by_class = [calibration.by_class[name].to_dict() for name in names]
    return calibration.to_dict() | {"per_class": by_class}


def _thumbnails(dataset: Dataset, predicted: PredictedObjects, kinds: Positions, room: int) -> list[str]:
    """Of all images, or where there are too many, of those with most false detections."""
    wrong = np.bincount(predicted.images[kinds > Kind.HIT], minlength=len(dataset))
    chosen = np.sort(np.argsort(-wrong, kind="stable")[:_MOST_THUMBNAILS]).tolist()
    made = thumbnails([dataset[position].image for position in chosen], room)
    of_image = dict(zip(chosen, made, strict=True))
    return [of_image.get(position, "") for position in range(len(dataset))]


def _link(path: Path, folder: Path) -> str:
    """A relative address, with names of any bytes; absolute on another drive."""
    try:
        relative = Path(os.path.relpath(path, folder))
    except ValueError:
        return path.absolute().as_uri()
    return quote(os.fsencode(relative.as_posix()))
