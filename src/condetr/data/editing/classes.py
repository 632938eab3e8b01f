"""Classes of a dataset renamed, merged or dropped."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from condetr.core.errors import UsageError
from condetr.data.classes import Classes
from condetr.data.records import Dataset, Example, Object

Splits: TypeAlias = dict[str, Dataset]


def renamed(splits: Mapping[str, Dataset], names: Mapping[str, str]) -> Splits:
    """Classes under other names; those that get the same name become one class.

    Args:
        splits: with one table of classes.
        names: the new name of each old one.

    Raises:
        UsageError: there is no such class, or the new name is empty.
    """
    classes = _classes_of(splits)
    _check(names, classes)
    for old, new in names.items():
        if not new.strip():
            raise UsageError("gets an empty name", item=old)
    wanted = [names.get(name, name) for name in classes.names]
    kept = list(dict.fromkeys(wanted))
    firsts = [wanted.index(name) for name in kept]
    return with_labels(splits, _chosen(classes, firsts, kept), [kept.index(name) for name in wanted])


def without(splits: Mapping[str, Dataset], names: Iterable[str]) -> Splits:
    """Without these classes and their objects; images stay, perhaps without objects.

    Raises:
        UsageError: there is no such class, or none would be left.
    """
    classes, dropped = _classes_of(splits), set(names)
    _check(dropped, classes)
    kept = [label for label, name in enumerate(classes.names) if name not in dropped]
    if not kept:
        raise UsageError("would leave no class", item="class")
    positions = {label: position for position, label in enumerate(kept)}
    table = [positions.get(label) for label in range(len(classes))]
    return with_labels(splits, _chosen(classes, kept, [classes.names[label] for label in kept]), table)


def with_labels(splits: Mapping[str, Dataset], classes: Classes, label_of: Sequence[int | None]) -> Splits:
    """With another table of classes.

    Args:
        splits: with one table of classes.
        classes: the new table.
        label_of: the new label of each old one; None leaves out its objects.
    """

    def changed(objects: Sequence[Object]) -> tuple[Object, ...]:
        pairs = ((labeled, label_of[labeled.label]) for labeled in objects)
        return tuple(replace(labeled, label=label) for labeled, label in pairs if label is not None)

    def example_with(example: Example) -> Example:
        return replace(
            example,
            objects=changed(example.objects),
            crowds=changed(example.crowds),
            lost=changed(example.lost),
            lost_crowds=changed(example.lost_crowds),
        )

    return {
        split: replace(dataset, classes=classes, examples=tuple(map(example_with, dataset)))
        for split, dataset in splits.items()
    }


def _chosen(classes: Classes, labels: Sequence[int], names: Sequence[str]) -> Classes:
    stuff = tuple(position for position, label in enumerate(labels) if label in classes.stuff)
    return Classes(tuple(names), tuple(classes.source_ids[label] for label in labels), stuff)


def _classes_of(splits: Mapping[str, Dataset]) -> Classes:
    return next(iter(splits.values())).classes


def _check(names: Iterable[str], classes: Classes) -> None:
    for name in names:
        if name not in classes.names:
            near = difflib.get_close_matches(name, classes.names, n=3) or classes.names[:8]
            hint = f"there are {', '.join(near)}"
            raise UsageError(f"the dataset has no class {name!r}", item="class", hint=hint)
