"""All splits of a dataset in one."""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from condetr.data.checks.data_report import DataReport
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.split_names import without_unions
from condetr.data.records import Dataset


def merged(splits: Mapping[str, Dataset]) -> Dataset:
    """The images of all splits, which share their classes, in one dataset; an image of two splits occurs once."""
    report = DataReport()
    first: dict[Path, str] = {}
    examples = []
    for split in without_unions(splits):
        report.merge(splits[split].report)
        for example in splits[split]:
            other = first.setdefault(example.path, split)
            if other == split:
                examples.append(example)
            else:
                report.add(ProblemKind.REPEATED_PICTURE, f"is in {split}, and in {other}", source=example.path)
    if len({example.image_id for example in examples}) < len(examples):
        examples = [replace(example, image_id=number) for number, example in enumerate(examples, start=1)]
    roots = [dataset.root.absolute() for dataset in splits.values()]
    classes = next(iter(splits.values())).classes
    return Dataset(tuple(examples), classes, Path(os.path.commonpath(roots)), "all", report)
