"""The learning rate schedule, as a factor of the rates in the settings."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

Shape: TypeAlias = Literal["step", "cosine", "linear", "constant"]
DROP = 0.1  # the factor of the paper's step


@dataclass(frozen=True, slots=True)
class Schedule:
    """A pure function of progress, so that checkpoints need no state of it.

    Attributes:
        shape: how the rate falls from ``decay_at`` on: "step" to a tenth, "cosine" along half a cosine to 0, "linear"
            to 0, "constant" not at all.
        decay_at: fraction of the training after which it falls; in the paper 40 of 50 epochs.
        warmup: optimization steps in which it rises linearly from near 0.
    """

    shape: Shape = "step"
    decay_at: float = 0.8
    warmup: int = 0

    def factor(self, step: int, done: float) -> float:
        """For optimization step ``step`` (from 0), at the fraction ``done`` of the training."""
        warm = min(1.0, (step + 1) / (self.warmup + 1))
        if self.shape == "constant" or done < self.decay_at:
            return warm
        if self.shape == "step":
            return warm * DROP
        left = (1 - done) / (1 - self.decay_at)
        return warm * (left if self.shape == "linear" else (1 - math.cos(math.pi * left)) / 2)
