"""All results of evaluating one detector on one dataset."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from condetr.core.errors import GateError, UsageError
from condetr.core.names import Metric
from condetr.data.records import Dataset
from condetr.evaluation.arrays import Boxes
from condetr.evaluation.calibration import Calibration
from condetr.evaluation.coco_ap import Averages, Rle
from condetr.evaluation.confusion import Confusion
from condetr.evaluation.curves import Curves
from condetr.evaluation.error_kinds import Errors
from condetr.evaluation.layers import LayerResult
from condetr.evaluation.panoptic_quality import Panoptic
from condetr.evaluation.per_class import ClassResult
from condetr.evaluation.timing.speed import Speed
from condetr.images.detections import Detections
from condetr.images.library_objects import data_frame
from condetr.prediction.predictor import Failure

METRICS: tuple[Metric, ...] = get_args(Metric)
SLOW_METRICS: tuple[Metric, ...] = ("layers", "speed")  # predict a second time
PANOPTIC_METRICS: tuple[Metric, ...] = ("pq", "miou")
DEFAULT_METRICS: tuple[Metric, ...] = tuple(
    metric for metric in METRICS if metric not in SLOW_METRICS + PANOPTIC_METRICS
)


@dataclass(frozen=True, kw_only=True)
class Report(Averages):
    """COCO's averages of boxes, and the other parts that were requested.

    Attributes:
        masks: COCO's averages of masks.
        panoptic: panoptic quality of all classes, things, stuff, and each class.
        per_class: by name.
        curves: precision over recall.
        confusion: the confusion matrix.
        errors: counts and costs of each kind of error.
        calibration: expected calibration error and reliability diagrams of all detections and of each class.
        layers: AP of each decoder layer, the last layer last.
        speed: milliseconds of each step.
        dataset: that was evaluated, without images that could not be read.
        found: the detections of each image of ``dataset``, with its labels; masks are in ``runs``.
        runs: one mask per detection of each image, as COCO's compressed run lengths.
        boxes: of each image of ``dataset``, exactly as in a file of predictions.
        boxed: whether the area of a detection is that of its box, or of its mask.
        failures: images that could not be read, and why.
        notes: remarks about the numbers.
    """

    masks: Averages | None = None
    panoptic: Panoptic | None = None
    per_class: dict[str, ClassResult] | None = None
    curves: Curves | None = None
    confusion: Confusion | None = None
    errors: Errors | None = None
    calibration: Calibration | None = None
    layers: tuple[LayerResult, ...] | None = None
    speed: Speed | None = None
    dataset: Dataset = field(repr=False, compare=False)
    found: tuple[Detections, ...] = field(repr=False, compare=False)
    runs: tuple[tuple[Rle, ...], ...] | None = field(default=None, repr=False, compare=False)
    boxes: tuple[Boxes, ...] | None = field(default=None, repr=False, compare=False)
    boxed: bool = field(default=True, repr=False, compare=False)
    failures: tuple[Failure, ...] = field(default=(), compare=False)
    notes: tuple[str, ...] = ()

    @property
    def ar(self) -> float:
        """Average recall with 100 detections per image."""
        return self.ar100

    @property
    def pq(self) -> float | None:
        """Panoptic quality, where it was measured."""
        return None if self.panoptic is None else self.panoptic.pq

    @property
    def miou(self) -> float | None:
        """Mean IoU of the pixels of each class, where it was measured."""
        return None if self.panoptic is None else self.panoptic.miou

    def averages(self) -> dict[str, float]:
        """Every average that was measured, by name: COCO's twelve of boxes, of masks as mask_ap, ..., PQ and mIoU."""
        numbers = {spec.name: getattr(self, spec.name) for spec in fields(Averages)}
        if self.masks is not None:
            numbers |= {f"mask_{spec.name}": getattr(self.masks, spec.name) for spec in fields(Averages)}
        if self.panoptic is not None:
            numbers |= {name: getattr(self.panoptic, name) for name in ("pq", "sq", "rq", "miou")}
        return {name: number for name, number in numbers.items() if number is not None}

    def require(self, min_ap: float) -> None:
        """Raises GateError if AP is lower."""
        if self.ap < min_ap:
            raise GateError(f"AP is {self.ap:.4f}, expected at least {min_ap:g}", item="min_ap")

    def to_dict(self) -> dict[str, Any]:
        """Everything but the detections, as JSON values."""
        parts = {
            "curves": self.curves,
            "confusion": self.confusion,
            "errors": self.errors,
            "calibration": self.calibration,
            "speed": self.speed,
        }
        by_class = {name: result.to_dict() for name, result in (self.per_class or {}).items()}
        return {
            **{spec.name: getattr(self, spec.name) for spec in fields(Averages)},
            **({} if self.masks is None else {"masks": asdict(self.masks)}),
            **({} if self.panoptic is None else {"panoptic": self.panoptic.to_dict()}),
            **({"per_class": by_class} if by_class else {}),
            **({} if self.layers is None else {"layers": [asdict(layer) for layer in self.layers]}),
            **{name: part.to_dict() for name, part in parts.items() if part is not None},
            "data": _about(self.dataset),
            "failures": [failure.to_dict() for failure in self.failures],
            "notes": list(self.notes),
        }

    def to_dataframe(self) -> Any:
        """The classes as a pandas DataFrame: a row for each, with its name, the values of `ClassResult`, and its ECE.

        Raises:
            UsageError: per-class was not measured.
            MissingExtraError: pandas is not installed.
        """
        if self.per_class is None:
            raise UsageError("per-class was not measured", item="metrics", hint='evaluate with metrics=["per-class"]')
        values = [result.to_dict() for result in self.per_class.values()]
        columns: dict[str, Any] = {"class": list(self.per_class)}
        columns |= {name: [row[name] for row in values] for name in (spec.name for spec in fields(ClassResult))}
        if self.calibration is not None:
            columns["ece"] = [self.calibration.by_class[name].ece for name in self.per_class]
        return data_frame(columns, "to_dataframe()")

    def save(self, folder: str | Path, *, html: bool = False) -> Path:
        """Write JSON, tables, charts and the worst images to a new folder.

        Args:
            folder: to make.
            html: also write report.html, a page to look at, which needs no network.

        Raises:
            UsageError: the folder is not new.
            StorageError: it cannot be written.
        """
        from condetr.evaluation.report_folder import write_report  # which imports this module

        return write_report(self, folder, html=html)


def _about(dataset: Dataset) -> dict[str, Any]:
    return {
        "path": str(dataset.root),
        "split": dataset.split,
        "pictures": len(dataset),
        "without_objects": int((dataset.columns.counts() == 0).sum()),
        "objects": int(dataset.columns.counts().sum()),
        "crowds": int(dataset.columns.counts("crowds").sum()),
        "classes": list(dataset.classes.names),
        "fingerprint": dataset.fingerprint(),
        "report": dataset.report.to_dict(),
    }
