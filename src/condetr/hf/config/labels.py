"""The class names of a config, whichever of the three forms they are given in."""

from collections.abc import Mapping
from typing import Any

from condetr.core.errors import SettingsError

Names = dict[int, str]
LABELS = ("num_labels", "id2label", "label2id")
UNNAMED = 2  # classes of a config that says nothing about them


def numbered(count: int) -> Names:
    """Names for classes that have none."""
    if type(count) is not int or count < 1:
        raise SettingsError(f"is {count!r}, expected a whole number of at least 1", item="num_labels")
    return {label: f"LABEL_{label}" for label in range(count)}


def names_of(
    num_labels: int | None = None, id2label: Mapping[Any, Any] | None = None, label2id: Mapping[Any, Any] | None = None
) -> Names:
    """One name per class id; ids may come as text, as JSON has them.

    Raises:
        SettingsError: the forms contradict each other.
    """
    if id2label is None and label2id is None:
        return numbered(UNNAMED if num_labels is None else num_labels)
    names = _by_id(id2label) if id2label is not None else _by_id({i: name for name, i in (label2id or {}).items()})
    if num_labels is not None and num_labels != len(names):
        raise SettingsError(
            f"is {num_labels}, but there are {len(names)} names", item="num_labels", hint="give only the names"
        )
    return names


def _by_id(names: Mapping[Any, Any]) -> Names:
    try:
        by_id = {int(label): name for label, name in names.items()}
    except (TypeError, ValueError, AttributeError):
        by_id = {}
    if not by_id or not all(isinstance(name, str) for name in by_id.values()):
        raise SettingsError(f"is {names!r}, expected class ids with their names", item="id2label")
    return by_id
