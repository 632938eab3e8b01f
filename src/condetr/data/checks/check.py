"""Everything that is wrong with a data set, in one pass: what reading it finds, and what only the whole shows."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from condetr.core.errors import CondetrError
from condetr.data.checks.data_report import Place, Report
from condetr.data.checks.duplicates import Step, check_content, check_names
from condetr.data.checks.problems import Reason
from condetr.data.checks.verdict import judge
from condetr.data.coco.panoptic_layout import FORMAT as PANOPTIC
from condetr.data.discovery.formats import layout_of
from condetr.data.discovery.split_names import without_unions
from condetr.data.records import Dataset, Example

QUERIES = 300  # of the paper's models: the most objects that one image can have
TINY = 8.0  # pixels; a smaller object is less than one cell of stride 8, a quarter of one of the paper's 32


def check(
    path: str | Path,
    *,
    masks: bool = False,
    panoptic: bool = False,
    queries: int = QUERIES,
    tiny: float = TINY,
    learn_from: str | None = None,
    measure_on: str | None = None,
) -> tuple[dict[str, Dataset], Report]:
    """Read every split as far as it goes, look at every image, and tell all problems.

    Args:
        path: a data set in any format.
        masks: whether objects need a segmentation; those of panoptic annotations are always looked at.
        panoptic: whether COCO's panoptic annotations are meant, where there are others, too.
        queries: of the model that is to be trained.
        tiny: a side in pixels below which an object is told.
        learn_from: the split to learn from; else train, or what stands for it.
        measure_on: the split to measure on, "none" for none; else val.

    Returns:
        What can be read, and the report; problems that need refusing are in it, not raised.

    Raises:
        DataError: there is no data set.
    """
    splits, report = read_leniently(path, masks=masks, panoptic=panoptic)
    look_at(splits, report, queries=queries, tiny=tiny, learn_from=learn_from, measure_on=measure_on)
    return splits, report


def read_leniently(
    path: str | Path, *, masks: bool = False, panoptic: bool = False
) -> tuple[dict[str, Dataset], Report]:
    """Every split as far as it can be read, and what could not.

    Raises:
        DataError: there is no data set.
    """
    layout, report, splits = layout_of(path, panoptic=panoptic), Report(), {}
    for split in without_unions(layout.names):
        try:
            splits[split] = layout.read(split, masks=masks or layout.format == PANOPTIC, again=True)
        except CondetrError as error:
            report.add(Reason.BAD_FILE, error.reason, source=error.source or path, item=error.item)
        else:
            report.merge(splits[split].report)
    report.merge(layout.report)
    return splits, report


def look_at(
    splits: Mapping[str, Dataset],
    report: Report,
    *,
    queries: int = QUERIES,
    tiny: float = TINY,
    step: Step | None = None,
    learn_from: str | None = None,
    measure_on: str | None = None,
) -> None:
    """Add to the report what only the whole shows, and the verdict; ``step`` is called after each image."""
    judge(splits, report, learn_from=learn_from, measure_on=measure_on)
    check_classes(splits, report)
    for dataset in splits.values():
        for example in dataset:
            check_objects(example, dataset, report, queries=queries, tiny=tiny)
    check_names(splits, report)
    check_content(splits, report, step)


def check_objects(example: Example, dataset: Dataset, report: Report, *, queries: int, tiny: float) -> None:
    place = report.place(example.path)
    if len(example.objects) > queries:
        said = f"has {len(example.objects)} objects; {queries} queries find at most {queries} of them"
        place.add(Reason.TOO_MANY_OBJECTS, said)
    seen = Counter((one.label, one.box) for one in example.objects)
    for one in example.objects:
        name = dataset.classes.names[one.label]
        place.item = name if one.id is None else f"annotation {one.id} ({name})"
        x1, y1, x2, y2 = one.box
        if min(x2 - x1, y2 - y1) < tiny:
            place.add(Reason.TINY_OBJECT, f"is {x2 - x1:g} x {y2 - y1:g} pixels")
        if seen[one.label, one.box] > 1:
            seen[one.label, one.box] = 1
            place.add(Reason.REPEATED_OBJECT, f"stands there again with box {one.box}")


def check_classes(splits: Mapping[str, Dataset], report: Report) -> None:
    counts = {
        split: Counter(one.label for example in dataset for one in example.objects) for split, dataset in splits.items()
    }
    first = next(iter(splits), None)
    for split, dataset in splits.items():
        place = Place(report, dataset.root, split)
        if first is not None and dataset.classes != splits[first].classes:
            different = sorted(set(dataset.classes.names) ^ set(splits[first].classes.names))
            place.add(Reason.DIFFERENT_CLASSES, f"not those of {first}; only in one: {different}")
            return
        for label in sorted(counts[split].keys() - counts.get("train", counts[split]).keys()):
            place.add(Reason.NOT_IN_TRAINING, f"{dataset.classes.names[label]} is here, but not in train")
    if first is not None:
        for label in sorted(set(range(len(splits[first].classes))) - set().union(*counts.values())):
            report.add(
                Reason.UNUSED_CLASS, f"{splits[first].classes.names[label]} has no object", source=splits[first].root
            )
