"""Whether there is anything to learn from and to measure on: decided here for `data check`, training and evaluation."""

from collections.abc import Mapping
from pathlib import Path

from condetr.core.errors import DataError
from condetr.data.checks.data_report import Report
from condetr.data.checks.problems import Outcome, Reason
from condetr.data.discovery.split_names import TO_LEARN_FROM
from condetr.data.records import Dataset

NONE = "none"  # what to call the part to measure on where nothing is to be measured
_FRACTION = 1.001  # pixels from the corner, within which a box is a fraction of the image, as it was rounded


def to_learn_from(splits: Mapping[str, Dataset], asked: str | None = None) -> str:
    """The split to learn from: the one asked for, else train, or what stands for it."""
    only = next(iter(splits)) if len(splits) == 1 else "train"
    return asked or next((name for name in TO_LEARN_FROM if name in splits), only)


def to_measure_on(splits: Mapping[str, Dataset], learned_from: Dataset, asked: str | None = None) -> str | None:
    """The split to measure on: the one asked for, else val unless it is learned from."""
    if asked is not None:
        return None if asked == NONE else asked
    return "val" if "val" in splits and not shared(learned_from, splits["val"]) else None


def shared(one: Dataset, other: Dataset) -> int:
    """How many images of ``one`` are in the other, too."""
    return len({example.path for example in one} & {example.path for example in other})


def judge(
    splits: Mapping[str, Dataset], report: Report, *, learn_from: str | None = None, measure_on: str | None = None
) -> None:
    """Add to the report why there is nothing to learn from, or to measure on; other splits need not be usable."""
    for dataset in splits.values():
        said = _fractions_in(dataset)
        if said:
            report.add(Reason.FRACTIONS, said, source=dataset.root, item=dataset.split)
    if not splits:
        return  # the report says why none could be read
    name = to_learn_from(splits, learn_from)
    if name not in splits:
        if learn_from is None and not report.count_of(Outcome.REFUSED):
            said = f"there is no split to learn from; there are {', '.join(splits)}"
            report.add(Reason.NOTHING_TO_LEARN, said, source=next(iter(splits.values())).root)
        return
    _judge_part(splits[name], report, "learn from")
    measured = to_measure_on(splits, splits[name], measure_on)
    if measured in splits and measured is not None and measured != name:
        _judge_part(splits[measured], report, "measure on", f"; --validation names another part, or {NONE}")


def usable(dataset: Dataset, path: str | Path) -> Dataset:
    """The data set itself, unless its report says that it must be refused, or nothing is left of it.

    Raises:
        DataError: says which.
    """
    dataset.report.refuse()
    if not len(dataset.classes):
        raise DataError("has no labeled object, so no classes", source=path)
    if not len(dataset):
        raise DataError(f"has no usable image in {dataset.split}{_why(dataset.report)}", source=path)
    said = _fractions_in(dataset)
    if said:
        raise DataError(said, source=path, item=dataset.split)
    return dataset


def measurable(dataset: Dataset, path: str | Path) -> Dataset:
    """The data set itself, unless there is nothing on it to measure.

    Raises:
        DataError: says why.
    """
    said = _nothing_in(dataset, "measure on")
    if said:
        raise DataError(said, source=path, hint="name another split")
    return dataset


def _judge_part(dataset: Dataset, report: Report, purpose: str, remedy: str = "") -> None:
    said = _nothing_in(dataset, purpose)
    if said:
        report.add(Reason.NOTHING_TO_LEARN, said + remedy, source=dataset.root, item=dataset.split)


def _nothing_in(dataset: Dataset, purpose: str) -> str | None:
    """Why there is nothing to learn from, or to measure on."""
    if any(example.objects for example in dataset):
        return None
    crowds = sum(len(example.crowds) for example in dataset)
    said = f"no image of {dataset.split} has an object" if len(dataset) else f"has no usable image in {dataset.split}"
    said += f": nothing to {purpose}"
    if crowds:
        said += f"; all {crowds} annotations are crowds (iscrowd 1), which are no objects: those have iscrowd 0"
    return said + _why(dataset.report)


def _why(report: Report) -> str:
    """The first thing that was left out, or not found."""
    grave = (Outcome.REFUSED, Outcome.LEFT_OUT)
    first = next((one for one in report if one.reason.outcome in grave or one.reason is Reason.NO_LABELS), None)
    return f"; the first reason is: {first}" if first else ""


def _fractions_in(dataset: Dataset) -> str | None:
    """Why its boxes are no pixels, where most lie in the first pixel of their images."""
    boxes = [one.box for example in dataset if min(example.size) > 2 for one in (*example.objects, *example.crowds)]
    tiny = sum(box[2] <= _FRACTION and box[3] <= _FRACTION for box in boxes)
    if 2 * tiny <= len(boxes):
        return None
    return f"{tiny} of {len(boxes)} boxes lie within 0 and 1: they are fractions of the image, not pixels"
