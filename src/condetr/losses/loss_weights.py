"""The weights of the loss terms, apart from torch, so that the command line starts without it."""

import math
from dataclasses import astuple, dataclass

from condetr.core.errors import SettingsError


@dataclass(frozen=True, slots=True)
class LossWeights:
    """How much each term counts in the total, and the alpha of the focal loss of the classes; as in the paper."""

    classes: float = 2.0
    boxes: float = 5.0
    giou: float = 2.0
    alpha: float = 0.25
    masks: float = 1.0
    dice: float = 1.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(weight) and weight >= 0 for weight in astuple(self)) or self.alpha > 1:
            raise SettingsError(f"expected finite weights of at least 0 and alpha in [0, 1], got {self}")
