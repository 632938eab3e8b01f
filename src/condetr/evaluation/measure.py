"""From what is there and what was found to a report. The order in which pictures were looked at plays no part."""

from collections.abc import Iterable, Sequence

from condetr.core.errors import DataError
from condetr.data.records import Dataset
from condetr.evaluation.classes import check_names
from condetr.evaluation.coco_ap import averages_of, count
from condetr.evaluation.columns import found_of, truth_of
from condetr.evaluation.confusion import confusion_of
from condetr.evaluation.curves import curves_of
from condetr.evaluation.errors import Errors, costs_of, counts_of
from condetr.evaluation.judgement import judge
from condetr.evaluation.mask_ap import Runs, count_masks
from condetr.evaluation.panoptic_quality import PanopticCounts, panoptic_of
from condetr.evaluation.per_class import per_class
from condetr.evaluation.report import USUAL, Metric, Report
from condetr.evaluation.speed import Speed
from condetr.images.detections import Detections
from condetr.prediction.predictor import Failure


def measure(
    dataset: Dataset,
    results: Sequence[Detections | Failure],
    *,
    metrics: Iterable[Metric] = USUAL,
    threshold: float = 0.5,
    masks: Sequence[Sequence[Runs]] | None = None,
    segments: Sequence[PanopticCounts] | None = None,
    speed: Speed | None = None,
    notes: Sequence[str] = (),
) -> Report:
    """Compare what was found with what is there.

    Args:
        dataset: what is there.
        results: one for every picture in order, with labels of the data set. A picture that failed does not count.
        metrics: what to measure besides AP.
        threshold: score above which detections count in the confusion matrix and among the errors.
        masks: of each picture that did not fail, one a detection.
        segments: of each picture that did not fail, how they compare.
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
    truth, found = truth_of(dataset), found_of(detections)
    extent = {"pictures": len(dataset), "classes": len(names)}
    counted = count(truth, found, **extent)
    of_masks = None if masks is None else averages_of(count_masks(dataset, truth, detections, masks))
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
        runs=None if masks is None else tuple(tuple(of_picture) for of_picture in masks),
        per_class=per_class(counted, truth, found, names) if "per-class" in metrics else None,
        curves=curves_of(counted, names) if "pr" in metrics else None,
        confusion=confusion_of(truth, above, judged, names, threshold=threshold) if "confusion" in metrics else None,
        errors=errors,
        speed=speed,
        dataset=dataset,
        found=detections,
        failures=failures,
        notes=tuple(notes),
    )


def check_measurable(dataset: Dataset) -> None:
    """Refuse what has no AP.

    Raises:
        DataError: there is nothing to find, or two classes have one name.
    """
    check_names(dataset.classes)
    if not any(example.objects for example in dataset):
        reason = f"{dataset.split} has no object in {len(dataset)} pictures, so there is no AP"
        raise DataError(reason, source=dataset.root, hint="name another split")
