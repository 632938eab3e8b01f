"""Which part of a data set a file or folder is, by the many names people give them."""

import re
from collections.abc import Iterable

_NAMES = {
    "train": {"train", "training", "tr"},
    "val": {"val", "valid", "validation", "dev", "minival", "eval"},
    "test": {"test", "testing"},
    "trainval": {"trainval"},
}
SPLITS = tuple(_NAMES)  # in the order that people expect
TO_LEARN_FROM = ("train", "trainval", "all")  # unless another is named
_SPLIT_OF = {name: split for split, names in _NAMES.items() for name in names}


def without_unions(splits: Iterable[str]) -> list[str]:
    """Not those that are made of others: ``trainval`` beside ``train`` and ``val``."""
    names = list(splits)
    return [name for name in names if name != "trainval" or not {"train", "val"} <= set(names)]


def split_named(name: str) -> str | None:
    """``train``, ``val``, ``test`` or ``trainval`` where one word of ``name`` says so: ``instances_train2017``."""
    words = re.findall(r"[a-z]+", name.lower())
    found = {_SPLIT_OF[word] for word in words if word in _SPLIT_OF}
    return found.pop() if len(found) == 1 else None
