"""Real handwriting for the demo scenes: 1797 digits, none of them in two splits (see `assets/README.md`)."""

from functools import cache
from importlib.resources import files
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import UInt8

DemoSplit: TypeAlias = Literal["train", "val", "test"]
_RANGES: dict[str, slice] = {"train": slice(0, 1297), "val": slice(1297, 1547), "test": slice(1547, 1797)}


def glyphs_of(split: DemoSplit) -> tuple[UInt8[np.ndarray, "glyphs 8 8"], UInt8[np.ndarray, "glyphs"]]:
    """The digits of a split, 0 for paper to 16 for ink, and their labels."""
    glyphs, labels = _all_glyphs()
    return glyphs[_RANGES[split]], labels[_RANGES[split]]


@cache
def _all_glyphs() -> tuple[UInt8[np.ndarray, "glyphs 8 8"], UInt8[np.ndarray, "glyphs"]]:
    with (files("condetr.data") / "assets" / "digits.npz").open("rb") as stream:
        stored = np.load(stream, allow_pickle=False)
        return stored["glyphs"], stored["labels"]
