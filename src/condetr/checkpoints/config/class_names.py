"""What a config.json calls the classes, and where their ids come from."""

from collections.abc import Mapping
from typing import Any

from condetr.core.errors import SettingsError

STUFF = "label_ids_to_fuse"  # as post-processing has it
FIELDS = ("id2label", "label2id", "num_labels")
MOST = 1_000_000
DEFAULT_COUNT = 2  # of every transformers config that names none


def read_labels(raw: Mapping[str, Any]) -> dict[int, str]:
    table = raw.get("id2label")
    if table is None:
        count = raw.get("num_labels", DEFAULT_COUNT)
        if type(count) is not int or not 1 <= count <= MOST:
            raise SettingsError(f"is {count!r}, expected a whole number from 1 to {MOST}", item="num_labels")
        return {number: f"LABEL_{number}" for number in range(count)}
    if not isinstance(table, dict) or not table or not all(isinstance(name, str) for name in table.values()):
        raise SettingsError("is no table from class ids to names", item="id2label")
    try:
        names = {int(number): name for number, name in table.items() if name.encode()}
    except (TypeError, ValueError):
        names = {}
    if sorted(names) != list(range(len(table))):
        raise SettingsError(f"its ids are not 0 to {len(table) - 1}, each once", item="id2label")
    return dict(sorted(names.items()))


def read_source_ids(own: Mapping[str, Any], labels: Mapping[int, str]) -> tuple[int, ...] | None:
    ids = own.get("source_ids")
    if ids is None:
        return None
    if not isinstance(ids, list) or len(ids) != len(labels) or any(type(number) is not int for number in ids):
        raise SettingsError(f"is no list of {len(labels)} whole numbers", item="condetr.source_ids")
    return tuple(ids)


def read_stuff(flat: Mapping[str, Any], labels: Mapping[int, str]) -> tuple[int, ...]:
    """Class ids of which an image has one segment at most; written by training on panoptic data."""
    ids = flat.get(STUFF, ())
    if not isinstance(ids, list | tuple) or not all(type(number) is int and number in labels for number in ids):
        raise SettingsError(f"is {ids!r}, expected a list of class ids", item=STUFF)
    return tuple(ids)
