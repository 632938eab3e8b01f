"""Classes that a person asks for, by name or id."""

import difflib
from collections.abc import Mapping, Sequence

from condetr.core.errors import UsageError

_DIGITS = 9  # of an id; Python refuses to read numbers of thousands


def class_ids(wanted: Sequence[str | int], labels: Mapping[int, str]) -> list[int]:
    """The ids of ``wanted``, in order. A text of digits that is no name is an id.

    Raises:
        UsageError: there is no such class; names the nearest.
    """
    if not wanted:
        raise UsageError("is empty, expected names or ids", item="classes", hint="leave it out to look for every class")
    found = [number for one in wanted for number in _ids_of(one, labels)]
    return sorted(set(found))


def _ids_of(wanted: str | int, labels: Mapping[int, str]) -> list[int]:
    named = [number for number, name in labels.items() if name == wanted]
    if named:
        return named
    is_id = isinstance(wanted, int) or (wanted.isdecimal() and len(wanted) <= _DIGITS)
    if is_id and int(wanted) in labels:
        return [int(wanted)]
    near = difflib.get_close_matches(str(wanted), labels.values(), n=3)
    hint = f"the nearest: {', '.join(near)}" if near else f"it knows {len(labels)} classes, ids 0 to {max(labels)}"
    raise UsageError(f"the model knows no class {wanted!r}", item="classes", hint=hint)
