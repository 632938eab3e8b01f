"""Which class of the model is which class of the data set: by name, or as a person says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch

from condetr.core.errors import DataError, UsageError
from condetr.data.classes import Classes
from condetr.images.detections import Detections

ClassMap: TypeAlias = Mapping[str, str | Sequence[str]]
"""The model's name, or names, or [] where it has none, for a class of the data set."""

_SHOWN = 30  # names of a list in a message
_UNUSED = "N/A"  # what COCO's tables call ids without a class


@dataclass(frozen=True)
class ClassMatch:
    """Attributes: the data set's label of each class id of the model that has one; names; notes for a person."""

    label_of: Mapping[int, int]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def translated(self, found: Detections) -> Detections:
        """The detections of classes that the data set has, under its labels and names."""
        positions = [position for position, label in enumerate(found.labels.tolist()) if label in self.label_of]
        kept = found.chosen(torch.tensor(positions, dtype=torch.int64))
        labels = [self.label_of[label] for label in kept.labels.tolist()]
        names = tuple(self.names[label] for label in labels)
        return replace(kept, labels=torch.tensor(labels, dtype=torch.int64), names=names, picture=None)


def match_classes(classes: Classes, known: Mapping[int, str], given: ClassMap | None = None) -> ClassMatch:
    """Find the model's id, or ids, of every class of the data set.

    Args:
        classes: the data set's.
        known: the model's, by id.
        given: for classes that the model calls otherwise.

    Raises:
        UsageError: the model does not know a class, or ``given`` speaks of one that nobody knows.
        DataError: two classes of the data set have one name.
    """
    check_names(classes)
    given = {name: [other] if isinstance(other, str) else list(other) for name, other in (given or {}).items()}
    ids: dict[str, list[int]] = {}
    for number, name in known.items():
        ids.setdefault(name, []).append(number)
    _check_map(given, classes, ids)
    wanted = {name: given.get(name, [name]) for name in classes.names}
    lacking = [name for name, others in wanted.items() if not all(other in ids for other in others)]
    if lacking:
        reason = (
            f"the model does not know {_listed(lacking)}; the data set has {_listed(classes.names)};"
            f" the model knows {_listed([name for name in ids if name != _UNUSED])}"
        )
        raise UsageError(reason, item="classes", hint="say what the model calls them with --map (class_map=)")
    label_of: dict[int, int] = {}
    for label, name in enumerate(classes.names):
        for number in (number for other in wanted[name] for number in ids[other]):
            if number in label_of:
                both = f"{classes.names[label_of[number]]!r} and {name!r}"
                raise UsageError(f"the model's {known[number]!r} is taken for {both}", item="map")
            label_of[number] = label
    others = [name for name, numbers in ids.items() if name != _UNUSED and not set(numbers) & label_of.keys()]
    absent = [name for name in classes.names if not wanted[name]]
    notes = []
    if others:
        notes.append(f"the model also knows {_listed(others)}, which the data set does not have; they are not scored")
    if absent:
        notes.append(f"nothing of the model is mapped to {_listed(absent)}, so nothing of it can be found")
    return ClassMatch(label_of, classes.names, tuple(notes))


def check_names(classes: Classes) -> None:
    """Raises DataError where results by class name would be ambiguous."""
    twice = sorted({name for name in classes.names if classes.names.count(name) > 1})
    if twice:
        raise DataError(
            f"two classes are called {twice[0]!r}, so results by class cannot tell them apart", item="names"
        )


def _check_map(given: Mapping[str, Sequence[str]], classes: Classes, ids: Mapping[str, list[int]]) -> None:
    for name, others in given.items():
        if name not in classes.names:
            reason = f"the data set has no class {name!r}; it has {_listed(classes.names)}"
            raise UsageError(reason, item="map", hint="write DATA SET'S NAME: MODEL'S NAME")
        for other in others:
            if other not in ids:
                raise UsageError(f"the model knows no class {other!r}; it knows {_listed(list(ids))}", item="map")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
