"""From what is there and what was found to a report. The order in which images were looked at plays no part."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from condetr.core.errors import DataError
from condetr.core.names import Metric
from condetr.data.records import Dataset
from condetr.evaluation.arrays import Boxes, annotated, found_of, truth_of
from condetr.evaluation.class_mapping import check_names
from condetr.evaluation.coco_ap import averages_of, count
from condetr.evaluation.confusion import confusion_of
from condetr.evaluation.curves import curves_of
from condetr.evaluation.error_kinds import Errors, costs_of, counts_of
from condetr.evaluation.mask_ap import Runs, count_masks
from condetr.evaluation.panoptic_quality import PanopticCounts, panoptic_of
from condetr.evaluation.per_class import per_class
from condetr.evaluation.report import USUAL, Report
from condetr.evaluation.tide import judge
from condetr.evaluation.timing.speed import Speed
from condetr.images.detections import Detections
from condetr.prediction.predictor import Failure

_Value = TypeVar("_Value")
_ROUNDING = 1e-6  # pixels that a sum of a corner and a side may be off by


def measure(
    dataset: Dataset,
    results: Sequence[Detections | Failure],
    *,
    metrics: Iterable[Metric] = USUAL,
    threshold: float = 0.5,
    masks: Sequence[Sequence[Runs]] | None = None,
    boxes: Sequence[Boxes] | None = None,
    boxed: bool = True,
    segments: Sequence[PanopticCounts] | None = None,
    speed: Speed | None = None,
    notes: Sequence[str] = (),
) -> Report:
    """Compare what was found with what is there.

    Args:
        dataset: what is there.
        results: one for every image in order, with labels of the data set. An image that failed does not count.
        metrics: what to measure besides AP.
        threshold: score above which detections count in the confusion matrix and among the errors.
        masks: of each image that did not fail, one a detection.
        boxes: of each image that did not fail, as a file has them; else those of the detections.
        boxed: whether a detection is as large as its box, or as its mask.
        segments: of each image that did not fail, how they compare.
        speed: what was timed.
        notes: what somebody should know about the numbers.

    Raises:
        DataError: there is nothing to find, or two classes have one name.
    """
    failures = tuple(one for one in results if isinstance(one, Failure))
    detections = tuple(one for one in results if isinstance(one, Detections))
    dataset = dataset.subset(position for position, one in enumerate(results) if isinstance(one, Detections))
    check_measurable(dataset)
    metrics, names = set(metrics), dataset.classes.names
    order = _coco_order(dataset)
    ordered = dataset.subset(order)
    truth = truth_of(ordered)
    found = found_of(_at(order, detections), None if boxes is None else _at(order, boxes))
    extent = {"images": len(dataset), "classes": len(names)}
    counted = count(truth, found, **extent)
    of_masks = (
        None if masks is None else averages_of(count_masks(ordered, truth, found, _at(order, masks), boxed=boxed))
    )
    above = found.where(found.scores > threshold)
    judged = judge(truth, above)
    errors = None
    if "errors" in metrics:
        costs = costs_of(truth, found, judge(truth, found), **extent)
        errors = Errors(counts_of(judged), costs, int((~truth.crowd).sum()), int(judged.hit.sum()), threshold)
    return Report(
        **vars(averages_of(counted)),
        masks=of_masks,
        panoptic=None if segments is None else panoptic_of(segments, names, dataset.classes.stuff),
        runs=None if masks is None else tuple(tuple(of_image) for of_image in masks),
        per_class=per_class(counted, truth, found, names) if "per-class" in metrics else None,
        curves=curves_of(counted, names) if "pr" in metrics else None,
        confusion=confusion_of(truth, above, judged, names, threshold=threshold) if "confusion" in metrics else None,
        errors=errors,
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
    ids = [example.image_id for example in dataset]
    return sorted(range(len(ids)), key=lambda position: (isinstance(ids[position], str), ids[position]))


def _at(positions: Sequence[int], values: Sequence[_Value]) -> list[_Value]:
    return [values[position] for position in positions]


def _notes_of(dataset: Dataset) -> Iterator[str]:
    """How the labels that AP compares with differ from those that a model learns from."""
    boxes = [(one.box, annotated(one)) for example in dataset for one in (*example.objects, *example.crowds)]
    moved = sum(
        max(abs(x - x1), abs(y - y1), abs(x + width - x2), abs(y + height - y2)) > _ROUNDING
        for (x1, y1, x2, y2), (x, y, width, height, _) in boxes
    )
    lost = sum(len(example.lost) for example in dataset)
    if moved:
        yield f"labels that stick out of their image: {moved}; AP compares with the whole boxes, as pycocotools does"
    if lost:
        yield (
            f"labels without area, outside of their image or without a usable mask: {lost};"
            " AP counts them as objects, as pycocotools does"
        )


def check_measurable(dataset: Dataset) -> None:
    """Refuse what has no AP.

    Raises:
        DataError: there is nothing to find, or two classes have one name.
    """
    check_names(dataset.classes)
    if not any(example.objects for example in dataset):
        reason = f"{dataset.split} has no object in {len(dataset)} images, so there is no AP"
        raise DataError(reason, source=dataset.root, hint="name another split")
