"""From annotations and predictions to a report, which does not depend on the order of prediction."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from condetr.core.errors import DataError
from condetr.core.names import Metric
from condetr.data.records import Dataset
from condetr.evaluation.arrays import Boxes, ground_truth_of, predicted_objects_of
from condetr.evaluation.calibration import calibration_of
from condetr.evaluation.class_mapping import check_names
from condetr.evaluation.coco_ap import Rle, accumulate, accumulate_masks, averages_of
from condetr.evaluation.confusion import confusion_of
from condetr.evaluation.curves import curves_of
from condetr.evaluation.error_kinds import Errors, costs_of, counts_of
from condetr.evaluation.layers import layer_results
from condetr.evaluation.panoptic_quality import PanopticCounts, panoptic_of
from condetr.evaluation.per_class import per_class
from condetr.evaluation.report import DEFAULT_METRICS, Report
from condetr.evaluation.tide import match_detections
from condetr.evaluation.timing.speed import Speed
from condetr.images.detections import Detections
from condetr.prediction.predictor import Failure

_Value = TypeVar("_Value")
_ROUNDING = 1e-6  # pixels, of the sum of a corner and a side


def measure(
    dataset: Dataset,
    results: Sequence[Detections | Failure],
    *,
    metrics: Iterable[Metric] = DEFAULT_METRICS,
    threshold: float = 0.5,
    masks: Sequence[Sequence[Rle]] | None = None,
    boxes: Sequence[Boxes] | None = None,
    boxed: bool = True,
    segments: Sequence[PanopticCounts] | None = None,
    layers: Sequence[Sequence[Detections]] | None = None,
    speed: Speed | None = None,
    notes: Sequence[str] = (),
) -> Report:
    """Compare predictions with annotations.

    Args:
        dataset: the annotated images.
        results: one for every image in order, with labels of the dataset. Images that failed are left out.
        metrics: measured besides AP.
        threshold: score above which detections count in the confusion matrix and the errors.
        masks: of each image that did not fail, one per detection.
        boxes: of each image that did not fail, as in a file of predictions; by default those of the detections.
        boxed: whether the area of a detection is that of its box, or of its mask.
        segments: of each image that did not fail, its panoptic counts.
        layers: of each image that did not fail, the detections of every decoder layer.
        speed: measured times.
        notes: about the numbers, for the report.

    Raises:
        DataError: the dataset has no objects, or two classes of one name.
    """
    failures = tuple(result for result in results if isinstance(result, Failure))
    detections = tuple(result for result in results if isinstance(result, Detections))
    dataset = dataset.subset(position for position, result in enumerate(results) if isinstance(result, Detections))
    check_measurable(dataset)
    metrics, names = set(metrics), dataset.classes.names
    order = _coco_order(dataset)
    ordered = dataset.subset(order)
    truth = ground_truth_of(ordered)
    predicted = predicted_objects_of(_at(order, detections), None if boxes is None else _at(order, boxes))
    extent = {"images": len(dataset), "classes": len(names)}
    accumulated = accumulate(truth, predicted, **extent)
    of_masks = None
    if masks is not None:
        of_masks = averages_of(accumulate_masks(ordered, truth, predicted, _at(order, masks), boxed=boxed))
    above = predicted.where(predicted.scores > threshold)
    matches = match_detections(truth, above)
    errors = calibration = None
    at_any_score = match_detections(truth, predicted) if metrics & {"errors", "calibration"} else matches
    if "calibration" in metrics:
        calibration = calibration_of(predicted, at_any_score, names)
    if "errors" in metrics:
        costs = costs_of(truth, predicted, at_any_score, **extent)
        errors = Errors(counts_of(matches), costs, int((~truth.crowd).sum()), int(matches.hit.sum()), threshold)
    return Report(
        **vars(averages_of(accumulated)),
        masks=of_masks,
        panoptic=None if segments is None else panoptic_of(segments, names, dataset.classes.stuff),
        runs=None if masks is None else tuple(tuple(of_image) for of_image in masks),
        per_class=per_class(accumulated, truth, predicted, names) if "per-class" in metrics else None,
        curves=curves_of(accumulated, names) if "pr" in metrics else None,
        confusion=confusion_of(truth, above, matches, names, threshold=threshold) if "confusion" in metrics else None,
        errors=errors,
        layers=None if layers is None else layer_results(truth, _at(order, layers), **extent),
        calibration=calibration,
        speed=speed,
        dataset=dataset,
        found=detections,
        boxes=None if boxes is None else tuple(boxes),
        boxed=boxed,
        failures=failures,
        notes=(*notes, *_notes_of(dataset)),
    )


def _coco_order(dataset: Dataset) -> list[int]:
    """By image id, which decides between detections of equal scores."""
    ids = dataset.columns.image_ids
    return sorted(range(len(ids)), key=lambda position: (isinstance(ids[position], str), ids[position]))


def _at(positions: Sequence[int], values: Sequence[_Value]) -> list[_Value]:
    return [values[position] for position in positions]


def _notes_of(dataset: Dataset) -> Iterator[str]:
    """How the annotations that AP counts differ from the training targets."""
    moved = 0
    for kind in ("objects", "crowds"):
        boxes, stated = dataset.columns.objects(kind).boxes, dataset.columns.annotated(kind).values
        corners = np.concatenate((stated[:, :2], stated[:, :2] + stated[:, 2:4]), axis=1)
        moved += int((np.abs(corners - boxes) > _ROUNDING).any(1).sum())
    lost = int(dataset.columns.counts("lost").sum())
    if moved:
        yield f"boxes that reach over the edge of their image: {moved}; AP uses the whole boxes, as pycocotools does"
    if lost:
        yield (
            f"objects without area, outside of their image or without a usable mask: {lost};"
            " AP counts them, as pycocotools does"
        )


def check_measurable(dataset: Dataset) -> None:
    """Raises DataError where there is no AP: no objects, or two classes of one name."""
    check_names(dataset.classes)
    if not dataset.columns.counts().any():
        reason = f"{dataset.split} has no object in {len(dataset)} images, so there is no AP"
        raise DataError(reason, source=dataset.root, hint="choose another split")
