"""Class names of a config.json, and their ids in the dataset."""

from collections.abc import Mapping
from typing import Any

from condetr.core.errors import SettingsError

STUFF = "label_ids_to_fuse"  # as in post-processing
FIELDS = ("id2label", "label2id", "num_labels")
MOST = 1_000_000
DEFAULT_COUNT = 2  # of transformers, for a config without class names


def read_labels(raw: Mapping[str, Any]) -> dict[int, str]:
    table = raw.get("id2label")
    if table is None:
        count = raw.get("num_labels", DEFAULT_COUNT)
        if type(count) is not int or not 1 <= count <= MOST:
            raise SettingsError(f"is {count!r}, expected a whole number from 1 to {MOST}", item="num_labels")
        return {number: f"LABEL_{number}" for number in range(count)}
    if not isinstance(table, dict) or not table or not all(isinstance(name, str) for name in table.values()):
        raise SettingsError("is not a table from class ids to names", item="id2label")
    try:
        names = {int(number): name for number, name in table.items() if name.encode()}
    except (TypeError, ValueError):
        names = {}
    if sorted(names) != list(range(len(table))):
        raise SettingsError(f"its ids are not 0 to {len(table) - 1} without gaps", item="id2label")
    return dict(sorted(names.items()))


def read_source_ids(own: Mapping[str, Any], labels: Mapping[int, str]) -> tuple[int, ...] | None:
    ids = own.get("source_ids")
    if ids is None:
        return None
    if not isinstance(ids, list) or len(ids) != len(labels) or any(type(number) is not int for number in ids):
        raise SettingsError(f"is not a list of {len(labels)} whole numbers", item="condetr.source_ids")
    return tuple(ids)


def read_stuff(flat: Mapping[str, Any], labels: Mapping[int, str]) -> tuple[int, ...]:
    """Ids of stuff classes (at most one segment per image); written by training on panoptic data."""
    ids = flat.get(STUFF, ())
    if not isinstance(ids, list | tuple) or not all(type(number) is int and number in labels for number in ids):
        raise SettingsError(f"is {ids!r}, expected a list of class ids", item=STUFF)
    return tuple(ids)
