"""The classes of the model that correspond to those of a dataset: by name, or by a given mapping."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import torch

from condetr.core.errors import DataError, UsageError
from condetr.data.classes import Classes
from condetr.images.detections import Detections

ClassMap: TypeAlias = Mapping[str, str | Sequence[str]]
"""For a class of the dataset, its name or names in the model; [] where the model has no such class."""

_SHOWN = 30  # names in a message, at most
_UNUSED = "N/A"  # ids without a class in COCO's label maps


@dataclass(frozen=True)
class ClassMatch:
    """Attributes: the dataset's label of each class id of the model that has one; the dataset's names; notes."""

    label_of: Mapping[int, int]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def translated(self, detections: Detections) -> Detections:
        """The detections of the dataset's classes, with its labels and names."""
        positions = [position for position, label in enumerate(detections.labels.tolist()) if label in self.label_of]
        kept = detections.chosen(torch.tensor(positions, dtype=torch.int64))
        labels = [self.label_of[label] for label in kept.labels.tolist()]
        names = tuple(self.names[label] for label in labels)
        return replace(kept, labels=torch.tensor(labels, dtype=torch.int64), names=names, picture=None)


def match_classes(classes: Classes, model_names: Mapping[int, str], class_map: ClassMap | None = None) -> ClassMatch:
    """Find the model's id, or ids, of every class of the dataset.

    Args:
        classes: of the dataset.
        model_names: by class id.
        class_map: for classes whose names differ.

    Raises:
        UsageError: the model lacks a class, or ``class_map`` has an unknown one.
        DataError: two classes of the dataset have one name.
    """
    check_names(classes)
    mapped = {name: [other] if isinstance(other, str) else list(other) for name, other in (class_map or {}).items()}
    ids: dict[str, list[int]] = {}
    for number, name in model_names.items():
        ids.setdefault(name, []).append(number)
    _check_map(mapped, classes, ids)
    wanted = {name: mapped.get(name, [name]) for name in classes.names}
    lacking = [name for name, others in wanted.items() if not all(other in ids for other in others)]
    if lacking:
        reason = (
            f"the model lacks {_listed(lacking)}; the dataset has {_listed(classes.names)};"
            f" the model has {_listed([name for name in ids if name != _UNUSED])}"
        )
        raise UsageError(reason, item="classes", hint="map them to classes of the model with --map (class_map=)")
    label_of: dict[int, int] = {}
    for label, name in enumerate(classes.names):
        for number in (number for other in wanted[name] for number in ids[other]):
            if number in label_of:
                both = f"{classes.names[label_of[number]]!r} and {name!r}"
                raise UsageError(f"the model's {model_names[number]!r} is mapped to both {both}", item="map")
            label_of[number] = label
    others = [name for name, numbers in ids.items() if name != _UNUSED and not set(numbers) & label_of.keys()]
    absent = [name for name in classes.names if not wanted[name]]
    notes = []
    if others:
        notes.append(f"the model also has {_listed(others)}, which the dataset lacks; they are not scored")
    if absent:
        notes.append(f"no class of the model is mapped to {_listed(absent)}, which therefore has no detections")
    return ClassMatch(label_of, classes.names, tuple(notes))


def check_names(classes: Classes) -> None:
    """Raises DataError where results by class name would be ambiguous."""
    twice = sorted({name for name in classes.names if classes.names.count(name) > 1})
    if twice:
        raise DataError(f"two classes are called {twice[0]!r}, so results by class are ambiguous", item="names")


def _check_map(mapped: Mapping[str, Sequence[str]], classes: Classes, ids: Mapping[str, list[int]]) -> None:
    for name, others in mapped.items():
        if name not in classes.names:
            reason = f"the dataset has no class {name!r}; it has {_listed(classes.names)}"
            raise UsageError(reason, item="map", hint="write DATASET'S NAME: MODEL'S NAME")
        for other in others:
            if other not in ids:
                raise UsageError(f"the model has no class {other!r}; it has {_listed(list(ids))}", item="map")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
