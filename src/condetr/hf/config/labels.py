"""The class names of a config, from any of the three forms: a count, ``id2label`` or ``label2id``."""

from collections.abc import Mapping
from typing import Any

from condetr.core.errors import SettingsError

Names = dict[int, str]
LABELS = ("num_labels", "id2label", "label2id")
UNNAMED = 2  # number of classes of a config without labels


def numbered(count: int) -> Names:
    """Placeholder names for ``count`` classes."""
    if type(count) is not int or count < 1:
        raise SettingsError(f"is {count!r}, expected a whole number of at least 1", item="num_labels")
    return {label: f"LABEL_{label}" for label in range(count)}


def names_of(
    num_labels: int | None = None, id2label: Mapping[Any, Any] | None = None, label2id: Mapping[Any, Any] | None = None
) -> Names:
    """One name per class id; ids may be text, as in JSON.

    Raises:
        SettingsError: the forms contradict each other.
    """
    if id2label is None and label2id is None:
        return numbered(UNNAMED if num_labels is None else num_labels)
    names = _by_id(id2label) if id2label is not None else _by_id({i: name for name, i in (label2id or {}).items()})
    if num_labels is not None and num_labels != len(names):
        raise SettingsError(
            f"is {num_labels}, but there are {len(names)} names", item="num_labels", hint="pass only the names"
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
