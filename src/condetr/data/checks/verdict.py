"""Whether a dataset can be trained and evaluated on: decided here for `data check`, training and evaluation."""

from collections.abc import Mapping
from pathlib import Path

from condetr.core.errors import DataError
from condetr.data.checks.data_report import DataReport
from condetr.data.checks.problems import Outcome, ProblemKind
from condetr.data.discovery.split_names import TRAIN_SPLITS
from condetr.data.records import Dataset

NONE = "none"  # the validation split of a training without evaluation
_FRACTION = 1.001  # pixels from the corner, within which a box is a rounded fraction of the image


def train_split_of(splits: Mapping[str, Dataset], requested: str | None = None) -> str:
    """The split to train on: the requested one, else train, trainval or all."""
    only = next(iter(splits)) if len(splits) == 1 else "train"
    return requested or next((name for name in TRAIN_SPLITS if name in splits), only)


def val_split_of(splits: Mapping[str, Dataset], train: Dataset, requested: str | None = None) -> str | None:
    """The split to evaluate on: the requested one, else val unless it shares images with ``train``."""
    if requested is not None:
        return None if requested == NONE else requested
    return "val" if "val" in splits and not shared_images(train, splits["val"]) else None


def shared_images(first: Dataset, second: Dataset) -> int:
    """How many images are in both."""
    return len(set(first.columns.paths) & set(second.columns.paths))


def check_train_and_val(
    splits: Mapping[str, Dataset], report: DataReport, *, train: str | None = None, val: str | None = None
) -> None:
    """Report why there is nothing to train on, or to evaluate on; other splits need not be usable."""
    for dataset in splits.values():
        message = _fractions_in(dataset)
        if message:
            report.add(ProblemKind.FRACTIONS, message, source=dataset.root, item=dataset.split)
    if not splits:
        return  # the report has the reason why none could be read
    name = train_split_of(splits, train)
    if name not in splits:
        if train is None and not report.count_of(Outcome.REFUSED):
            message = f"there is no split to train on; there are {', '.join(splits)}"
            report.add(ProblemKind.NOTHING_TO_LEARN, message, source=next(iter(splits.values())).root)
        return
    _check_objects(splits[name], report, "train on")
    val = val_split_of(splits, splits[name], val)
    if val in splits and val is not None and val != name:
        _check_objects(splits[val], report, "evaluate on", f"; choose another split with --validation, or {NONE}")


def require_usable(dataset: Dataset, path: str | Path) -> Dataset:
    """The dataset itself, unless its report refuses it, or nothing is left of it.

    Raises:
        DataError: with the reason.
    """
    dataset.report.refuse()
    if not len(dataset.classes):
        raise DataError("has no labeled object, so no classes", source=path)
    if not len(dataset):
        raise DataError(f"has no usable image in {dataset.split}{_first_reason(dataset.report)}", source=path)
    message = _fractions_in(dataset)
    if message:
        raise DataError(message, source=path, item=dataset.split)
    return dataset


def require_objects(dataset: Dataset, path: str | Path) -> Dataset:
    """The dataset itself, unless it has no object to evaluate on.

    Raises:
        DataError: with the reason.
    """
    message = _lack_of_objects(dataset, "evaluate on")
    if message:
        raise DataError(message, source=path, hint="choose another split")
    return dataset


def _check_objects(dataset: Dataset, report: DataReport, purpose: str, remedy: str = "") -> None:
    message = _lack_of_objects(dataset, purpose)
    if message:
        report.add(ProblemKind.NOTHING_TO_LEARN, message + remedy, source=dataset.root, item=dataset.split)


def _lack_of_objects(dataset: Dataset, purpose: str) -> str | None:
    """Why there is nothing to train or evaluate on; None if there is an object."""
    if dataset.columns.counts().any():
        return None
    crowds = int(dataset.columns.counts("crowds").sum())
    lack = f"no image of {dataset.split} has an object" if len(dataset) else f"has no usable image in {dataset.split}"
    message = f"{lack}: nothing to {purpose}"
    if crowds:
        message += f"; all {crowds} annotations are crowds (iscrowd 1); single objects have iscrowd 0"
    return message + _first_reason(dataset.report)


def _first_reason(report: DataReport) -> str:
    """The first problem that left something out."""
    severe = (Outcome.REFUSED, Outcome.LEFT_OUT)
    findings = (f for f in report if f.kind.outcome in severe or f.kind is ProblemKind.NO_LABELS)
    first = next(findings, None)
    return f"; the first reason is: {first}" if first else ""


def _fractions_in(dataset: Dataset) -> str | None:
    """Why its boxes are no pixels, if most of them lie in the first pixel of their images."""
    columns, tiny, count = dataset.columns, 0, 0
    is_larger = columns.sizes.min(1) > 2
    for kind in ("objects", "crowds"):
        objects = columns.objects(kind)
        ends = objects.boxes[is_larger[objects.images], 2:]
        tiny += int((ends <= _FRACTION).all(1).sum())
        count += len(ends)
    if 2 * tiny <= count:
        return None
    return f"{tiny} of {count} boxes lie within 0 and 1: they are fractions of the image, not pixels"
