"""The weights of the matching costs, apart from torch, so that the command line starts without it."""

import math
from dataclasses import astuple, dataclass

from condetr.core.errors import SettingsError


@dataclass(frozen=True, slots=True)
class MatchingCosts:
    """Weights of the class, L1 and GIoU costs in the matching."""

    classes: float = 2.0
    boxes: float = 5.0
    giou: float = 2.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(cost) and cost >= 0 for cost in astuple(self)):
            raise SettingsError(f"expected finite costs of at least 0, got {self}")
        if not any(astuple(self)):
            raise SettingsError("all matching costs are 0, so that every assignment is equally good")
