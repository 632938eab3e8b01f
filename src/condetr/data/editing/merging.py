"""Several datasets as one: classes are the same where their names are."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from condetr.data.checks.data_report import DataReport
from condetr.data.checks.problems import ProblemKind
from condetr.data.classes import Classes
from condetr.data.discovery.split_names import without_unions
from condetr.data.editing.classes import Splits, with_labels
from condetr.data.records import Dataset, Example


def joined(datasets: Sequence[Mapping[str, Dataset]]) -> Splits:
    """All images, splits of one name together; what is not divided (``all``) belongs to train, if there are splits.

    Classes have the order of the first dataset, then that of the others. An image file that two datasets name is taken
    from the first. The reports say what was left out, per split.
    """
    classes = _union([next(iter(splits.values())).classes for splits in datasets])
    parts: dict[str, list[Dataset]] = {}
    divided = any(set(splits) != {"all"} for splits in datasets)
    for splits in datasets:
        own = next(iter(splits.values())).classes
        table = [classes.names.index(name) for name in own.names]
        chosen = {split: splits[split] for split in without_unions(splits)}
        for split, dataset in with_labels(chosen, classes, table).items():
            parts.setdefault("train" if split == "all" and divided else split, []).append(dataset)
    taken: dict[Path, str] = {}
    return {split: _one(split, members, taken) for split, members in parts.items()}


def _union(tables: Sequence[Classes]) -> Classes:
    """By name; ids are those of the sources if no two classes share one."""
    first = {
        name: source for table in reversed(tables) for name, source in zip(table.names, table.source_ids, strict=True)
    }
    names = tuple(dict.fromkeys(name for table in tables for name in table.names))
    stuff = {table.names[label] for table in tables for label in table.stuff}
    ids = tuple(first[name] for name in names)
    ids = ids if len(set(ids)) == len(ids) else tuple(range(len(names)))
    return Classes(names, ids, tuple(label for label, name in enumerate(names) if name in stuff))


def _one(split: str, members: Sequence[Dataset], taken: dict[Path, str]) -> Dataset:
    report, examples = DataReport(), list[Example]()
    for dataset in members:
        report.merge(dataset.report)
        for example in dataset:
            if example.path in taken:
                message = f"is in {taken[example.path]} already"
                report.add(ProblemKind.REPEATED_PICTURE, message, source=example.path)
                continue
            taken[example.path] = split
            examples.append(example)
    if len({example.image_id for example in examples}) < len(examples):
        examples = [replace(example, image_id=number) for number, example in enumerate(examples, start=1)]
    root = Path(os.path.commonpath([dataset.root.absolute() for dataset in members]))
    return Dataset(tuple(examples), members[0].classes, root, split, report)
