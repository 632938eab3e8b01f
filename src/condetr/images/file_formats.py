"""Detections as the world writes them: JSON values, COCO and COCO panoptic results, YOLO text, CSV rows."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from condetr.images.detection import Detection
from condetr.images.masks.segment_png import numbers_of
from condetr.images.sizes import HeightWidth

CSV_HEADER = ("source", "label", "name", "score", "x1", "y1", "x2", "y2")


def json_rows(found: Iterable[Detection]) -> list[dict[str, Any]]:
    return [{"box": list(one.box), "score": one.score, "label": one.label, "name": one.name} for one in found]


def coco_rows(found: Iterable[Detection], image_id: int) -> list[dict[str, Any]]:
    """COCO results: boxes as (x, y, width, height)."""
    rows = []
    for one in found:
        x1, y1, x2, y2 = one.box
        box = [x1, y1, x2 - x1, y2 - y1]
        rows.append({"image_id": image_id, "category_id": one.label, "bbox": box, "score": one.score})
    return rows


def segment_rows(labels: Sequence[int], scores: Sequence[float]) -> list[dict[str, Any]]:
    """COCO panoptic results: what to say about each segment; ids are the numbers of their colors in the PNG."""
    rows = zip(numbers_of(labels), labels, scores, strict=True)
    return [{"id": number, "category_id": label, "score": score} for number, label, score in rows]


def yolo_text(found: Iterable[Detection], size: HeightWidth) -> str:
    """One line a detection: label, center, width and height relative to the image, score."""
    height, width = size
    lines = []
    for one in found:
        x1, y1, x2, y2 = one.box
        relative = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
        numbers = " ".join(f"{number:.6f}" for number in (*relative, one.score))
        lines.append(f"{one.label} {numbers}\n")
    return "".join(lines)


def csv_rows(found: Iterable[Detection], source: str | None) -> list[tuple[str | int | float, ...]]:
    """The values of ``CSV_HEADER``, one row a detection."""
    return [(source or "", one.label, one.name, one.score, *one.box) for one in found]


def csv_text(rows: Iterable[Sequence[str | int | float]]) -> str:
    """A header and the rows."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows((CSV_HEADER, *rows))
    return text.getvalue()
