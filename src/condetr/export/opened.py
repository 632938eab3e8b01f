"""An opened graph: it maps named arrays to named arrays."""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np

from condetr.export.graph_formats import BEST, PREDICTION

Arrays: TypeAlias = Mapping[str, np.ndarray]
Run: TypeAlias = Callable[[Arrays], Arrays]


class Opened(NamedTuple):
    run: Run
    inputs: Collection[str]
    outputs: Collection[str]


def named_outputs(count: int, expected: tuple[str, ...]) -> tuple[str, ...]:
    """Names for the outputs of a file that has none: ``expected``, or with post-processing more of them."""
    return expected if count == len(expected) else (*PREDICTION, *BEST, *expected[len(PREDICTION) :])
