"""Classes of a model, by name or id."""

import difflib
from collections.abc import Mapping, Sequence

from condetr.core.errors import UsageError

_DIGITS = 9  # of a class id; Python refuses to parse numbers of thousands of digits


def class_ids(classes: Sequence[str | int], labels: Mapping[int, str]) -> list[int]:
    """The ids of classes given by name or id, sorted. Digits that are not the name of a class are an id.

    Raises:
        UsageError: the model has no such class; suggests the nearest names.
    """
    if not classes:
        raise UsageError("is empty, expected names or ids", item="classes", hint="leave it out to detect every class")
    return sorted({number for name in classes for number in _ids_of(name, labels)})


def _ids_of(name: str | int, labels: Mapping[int, str]) -> list[int]:
    if ids := [number for number, label in labels.items() if label == name]:
        return ids
    is_id = isinstance(name, int) or (name.isdecimal() and len(name) <= _DIGITS)
    if is_id and int(name) in labels:
        return [int(name)]
    near = difflib.get_close_matches(str(name), labels.values(), n=3)
    hint = f"the nearest: {', '.join(near)}" if near else f"it has {len(labels)} classes, ids 0 to {max(labels)}"
    raise UsageError(f"the model has no class {name!r}", item="classes", hint=hint)
