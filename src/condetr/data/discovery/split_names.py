"""Which split of a dataset a file or folder is, by the names in common use."""

import re
from collections.abc import Iterable

_NAMES = {
    "train": {"train", "training", "tr"},
    "val": {"val", "valid", "validation", "dev", "minival", "eval"},
    "test": {"test", "testing"},
    "trainval": {"trainval"},
}
SPLITS = tuple(_NAMES)  # in the usual order
TRAIN_SPLITS = ("train", "trainval", "all")  # the first of them that exists is trained on, unless another is named
_SPLIT_OF = {name: split for split, names in _NAMES.items() for name in names}


def without_unions(splits: Iterable[str]) -> list[str]:
    """Without the union of others: ``trainval`` beside ``train`` and ``val``."""
    names = list(splits)
    return [name for name in names if name != "trainval" or not {"train", "val"} <= set(names)]


def split_named(name: str) -> str | None:
    """``train``, ``val``, ``test`` or ``trainval`` if one word of ``name`` means it: ``instances_train2017``."""
    words = re.findall(r"[a-z]+", name.lower())
    splits = {_SPLIT_OF[word] for word in words if word in _SPLIT_OF}
    return splits.pop() if len(splits) == 1 else None
