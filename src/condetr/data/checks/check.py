"""Everything that is wrong with a dataset, in one pass: problems of single files, and those of the whole."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from condetr.core.errors import CondetrError
from condetr.data.checks.data_report import DataReport
from condetr.data.checks.duplicates import Step, check_content, check_names
from condetr.data.checks.problems import ProblemKind
from condetr.data.checks.verdict import check_train_and_val
from condetr.data.coco.layout import PANOPTIC
from condetr.data.columns.examples import ExampleColumns
from condetr.data.discovery.formats import layout_of
from condetr.data.discovery.layout import Layout
from condetr.data.discovery.split_names import without_unions
from condetr.data.records import Dataset, Example

QUERIES = 300  # of the paper's models: the most objects that one image can have
TINY = 8.0  # pixels; a smaller object is less than one cell of stride 8, a quarter of one of the paper's 32


def read_leniently(
    path: str | Path, *, masks: bool = False, panoptic: bool = False
) -> tuple[dict[str, Dataset], DataReport]:
    """Every split as far as it can be read, and a report of the rest.

    Raises:
        DataError: there is no dataset.
    """
    return read_with_layout(path, masks=masks, panoptic=panoptic)[1:]


def read_with_layout(
    path: str | Path, *, masks: bool = False, panoptic: bool = False
) -> tuple[Layout, dict[str, Dataset], DataReport]:
    """The same, and what the dataset looked like before it was read."""
    layout, report, splits = layout_of(path, panoptic=panoptic), DataReport(), {}
    for split in without_unions(layout.names):
        try:
            splits[split] = layout.read(split, masks=masks or layout.format == PANOPTIC, again=True)
        except CondetrError as error:
            report.add(ProblemKind.BAD_FILE, error.reason, source=error.source or path, item=error.item)
        else:
            report.merge(splits[split].report)
    report.merge(layout.report)
    return layout, splits, report


def check_splits(
    splits: Mapping[str, Dataset],
    report: DataReport,
    *,
    queries: int = QUERIES,
    tiny: float = TINY,
    step: Step | None = None,
    train: str | None = None,
    val: str | None = None,
) -> None:
    """Report what only the whole dataset shows, and whether it can be trained on; ``step`` is called per image."""
    check_choice(splits, report, train=train, val=val)
    check_images(splits, report, queries=queries, tiny=tiny, step=step)


def check_choice(
    splits: Mapping[str, Dataset], report: DataReport, *, train: str | None = None, val: str | None = None
) -> None:
    """What depends on the splits that are used, and opens no image."""
    check_train_and_val(splits, report, train=train, val=val)
    check_classes(splits, report)


def check_images(
    splits: Mapping[str, Dataset],
    report: DataReport,
    *,
    queries: int = QUERIES,
    tiny: float = TINY,
    step: Step | None = None,
) -> None:
    """What does not depend on them: objects, names and pixels."""
    for dataset in splits.values():
        for position in _to_report(dataset.columns, queries, tiny):
            check_objects(dataset[position], dataset, report, queries=queries, tiny=tiny)
    check_names(splits, report)
    check_content(splits, report, step)


def _to_report(columns: ExampleColumns, queries: int, tiny: float) -> list[int]:
    """The images that `check_objects` may find something in; it finds nothing in others."""
    objects = columns.objects()
    sides = (objects.boxes[:, 2:] - objects.boxes[:, :2]).min(1, initial=np.inf)
    rows = np.column_stack((objects.images, objects.labels, objects.boxes + 0.0))  # -0.0 is 0.0
    order = np.lexsort(rows.T[::-1])
    is_same = (rows[order][1:] == rows[order][:-1]).all(1)
    marked = columns.counts() > queries
    marked[objects.images[sides < tiny]] = True
    marked[objects.images[order][1:][is_same]] = True
    return np.flatnonzero(marked).tolist()


def check_objects(example: Example, dataset: Dataset, report: DataReport, *, queries: int, tiny: float) -> None:
    location = report.at(example.path)
    if len(example.objects) > queries:
        message = f"has {len(example.objects)} objects; {queries} queries detect at most {queries} of them"
        location.add(ProblemKind.TOO_MANY_OBJECTS, message)
    counts = Counter((labeled.label, labeled.box) for labeled in example.objects)
    for labeled in example.objects:
        name = dataset.classes.names[labeled.label]
        location.item = name if labeled.id is None else f"annotation {labeled.id} ({name})"
        x1, y1, x2, y2 = labeled.box
        if min(x2 - x1, y2 - y1) < tiny:
            location.add(ProblemKind.TINY_OBJECT, f"is {x2 - x1:g} x {y2 - y1:g} pixels")
        if counts[labeled.label, labeled.box] > 1:
            counts[labeled.label, labeled.box] = 1
            message = f"duplicate of another object with the same class and box {labeled.box}"
            location.add(ProblemKind.REPEATED_OBJECT, message)


def check_classes(splits: Mapping[str, Dataset], report: DataReport) -> None:
    if not splits:
        return
    counts = {split: Counter(dataset.columns.objects().labels.tolist()) for split, dataset in splits.items()}
    first = next(iter(splits))
    for split, dataset in splits.items():
        location = report.at(dataset.root, split)
        if dataset.classes != splits[first].classes:
            different = sorted(set(dataset.classes.names) ^ set(splits[first].classes.names))
            location.add(ProblemKind.DIFFERENT_CLASSES, f"not those of {first}; only in one: {different}")
            return
        for label in sorted(counts[split].keys() - counts.get("train", counts[split]).keys()):
            location.add(ProblemKind.NOT_IN_TRAINING, f"{dataset.classes.names[label]} is here, but not in train")
    names, root = splits[first].classes.names, splits[first].root
    for label in sorted(set(range(len(names))) - set().union(*counts.values())):
        report.add(ProblemKind.UNUSED_CLASS, f"{names[label]} has no object", source=root)
