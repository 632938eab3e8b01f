"""The result of `condetr data`: format, classes, splits and problems of a dataset, as text and as JSON."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from condetr.cli.output.reporting import one_line
from condetr.data.checks.data_report import SHOWN, DataReport
from condetr.data.checks.problems import Outcome, ProblemKind
from condetr.data.discovery.readable_formats import title_of

if TYPE_CHECKING:
    from condetr.data.records import Dataset

EXAMPLES = 3  # of each kind of problem, unless --verbose
_CLASSES = 12  # the most frequent, likewise
_OF_SPLITS = (ProblemKind.NOTHING_TO_LEARN, ProblemKind.FRACTIONS)


def check_text(
    layout_format: str, splits: "Mapping[str, Dataset]", unread: list[str], report: DataReport, *, everything: bool
) -> str:
    """Format, classes, splits with what is in each, problems with examples, and what is to be done."""
    refused = report.count_of(Outcome.REFUSED)
    lines = [
        f"format   {title_of(layout_format)}",
        f"classes  {_classes_text(class_counts(splits), everything=everything)}",
        *(f"{line}  {_verdict(_refused(name, splits[name], report))}" for name, line in split_lines(splits).items()),
        *(f"{one_line(name):8} cannot be read" for name in unread),
        *report.lines(SHOWN if everything else EXAMPLES, more="" if everything else "; -v shows more"),
        f"{refused} problems must be mended before training" if refused else "usable",
    ]
    return "\n".join(lines)


def check_data(layout_format: str, splits: "Mapping[str, Dataset]", report: DataReport) -> dict[str, Any]:
    """The same for programs."""
    each = {
        name: size | {"without_objects": empty_images(splits[name]), "usable": not _refused(name, splits[name], report)}
        for name, size in sizes(splits).items()
    }
    return {
        "format": layout_format,
        "classes": class_counts(splits),
        "splits": each,
        "usable": not report.count_of(Outcome.REFUSED),
        "problems": report.to_dict(),
    }


def class_counts(splits: "Mapping[str, Dataset]") -> dict[str, int]:
    """Objects of each class by its name in all splits, those without objects, too; most frequent first."""
    counts: Counter[str] = Counter()
    for dataset in splits.values():
        counts.update(dict.fromkeys(dataset.classes.names, 0))
        counts.update(dataset.classes.names[label] for label in dataset.columns.objects().labels.tolist())
    return dict(counts.most_common())


def sizes(splits: "Mapping[str, Dataset]") -> dict[str, dict[str, int]]:
    return {
        name: {"pictures": len(dataset), "objects": int(dataset.columns.counts().sum())}
        for name, dataset in splits.items()
    }


def split_lines(splits: "Mapping[str, Dataset]") -> dict[str, str]:
    lines = {}
    for name, size in sizes(splits).items():
        empty = empty_images(splits[name])
        without = f", {empty} images without" if empty else ""
        lines[name] = f"{one_line(name):8} {size['pictures']:7} images {size['objects']:8} objects{without}"
    return lines


def empty_images(dataset: "Dataset") -> int:
    return int((dataset.columns.counts() == 0).sum())


def _classes_text(counts: Mapping[str, int], *, everything: bool) -> str:
    shown = list(counts.items())[: None if everything else _CLASSES]
    text = ", ".join(f"{one_line(name)} {count}" for name, count in shown)
    more = len(counts) - len(shown)
    return f"{len(counts)}: {text}" + (f", and {more} more (-v shows all)" if more else "")


def _verdict(refused: int) -> str:
    return f"{refused} problems to mend" if refused else "usable"


def _refused(name: str, dataset: "Dataset", report: DataReport) -> int:
    """Problems of a split that must be mended: those of its labels, and those of the split itself."""
    whole = [problem for problem in report if problem.kind in _OF_SPLITS and problem.item == name]
    return dataset.report.count_of(Outcome.REFUSED) + len(whole)
