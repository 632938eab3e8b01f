"""What the network found in an image of a task, in pixels: rows from which regions of any project are made."""

from functools import partial
from typing import Any

from condetr.data.label_studio.regions import prediction_of, region_of
from condetr.images.detections import Detections
from condetr.images.masks.outlines import one_polygon, polygons_of_mask
from condetr.prediction.thresholds import Thresholds
from condetr.serving.label_studio.project import Project
from condetr.serving.protocol.responses import MakeRows, Rows


def rows_with_outlines(tolerance: float, thresholds: Thresholds | None = None) -> MakeRows:
    """Makes a row for each detection: name, score, box, size of the image, and the outline of its mask, or None.

    Args:
        tolerance: pixels by which an outline may miss the edge of its mask.
        thresholds: detections must score higher than that of their class.
    """
    return partial(_rows_of, tolerance, thresholds)


def _rows_of(tolerance: float, thresholds: Thresholds | None, detections: Detections) -> Rows:
    rows: list[dict[str, Any]] = []
    if thresholds is not None:
        detections = thresholds.kept(detections)
    for number, detection in enumerate(detections):
        polygons = []
        if detections.masks is not None:
            polygons = polygons_of_mask(detections.masks[number], tolerance=tolerance)
        rows.append(
            {
                "label": detection.name,
                "score": detection.score,
                "box": detection.box,
                "size": detections.size,
                "outline": one_polygon(polygons) if polygons else None,
            }
        )
    return rows


def prediction_for(project: Project, rows: Rows, model: str) -> dict[str, Any]:
    """A prediction of the objects that the project has a label for."""
    kept = [row for row in rows if row["label"] in project.labels]
    regions = [
        region_of(project.labels[row["label"]], row["box"], row["outline"], row["size"], number, project.controls)
        for number, row in enumerate(kept, start=1)
    ]
    return prediction_of(regions, [row["score"] for row in kept], model)
