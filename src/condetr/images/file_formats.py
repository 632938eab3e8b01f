"""Detections in file formats: JSON values, COCO and COCO panoptic results, YOLO text, CSV rows."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from condetr.images.detection import Detection
from condetr.images.masks.segment_png import numbers_of
from condetr.images.sizes import HeightWidth

CSV_HEADER = ("source", "label", "name", "score", "x1", "y1", "x2", "y2")


def json_rows(detections: Iterable[Detection]) -> list[dict[str, Any]]:
    return [{"box": list(d.box), "score": d.score, "label": d.label, "name": d.name} for d in detections]


def coco_rows(detections: Iterable[Detection], image_id: int) -> list[dict[str, Any]]:
    """COCO results: boxes as (x, y, width, height)."""
    rows = []
    for detection in detections:
        x1, y1, x2, y2 = detection.box
        box = [x1, y1, x2 - x1, y2 - y1]
        rows.append({"image_id": image_id, "category_id": detection.label, "bbox": box, "score": detection.score})
    return rows


def segment_rows(labels: Sequence[int], scores: Sequence[float]) -> list[dict[str, Any]]:
    """COCO panoptic results: ``segments_info``; ids are the numbers of the colors in the PNG."""
    rows = zip(numbers_of(labels), labels, scores, strict=True)
    return [{"id": number, "category_id": label, "score": score} for number, label, score in rows]


def yolo_text(detections: Iterable[Detection], size: HeightWidth, *, scores: bool = False) -> str:
    """One line per detection: label, center, width and height relative to the image, and perhaps the score."""
    height, width = size
    lines = []
    for detection in detections:
        x1, y1, x2, y2 = detection.box
        fractions: tuple[float, ...] = (
            (x1 + x2) / 2 / width,
            (y1 + y2) / 2 / height,
            (x2 - x1) / width,
            (y2 - y1) / height,
        )
        fractions += (detection.score,) if scores else ()
        numbers = " ".join(f"{number:.6f}" for number in fractions)
        lines.append(f"{detection.label} {numbers}\n")
    return "".join(lines)


def csv_rows(detections: Iterable[Detection], source: str | None) -> list[tuple[str | int | float, ...]]:
    """The values of ``CSV_HEADER``, one row per detection."""
    return [(source or "", d.label, d.name, d.score, *d.box) for d in detections]


def csv_text(rows: Iterable[Sequence[str | int | float]]) -> str:
    """The header and the rows."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows((CSV_HEADER, *rows))
    return text.getvalue()
