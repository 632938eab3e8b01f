"""How large the learning rate is at each moment of the training, relative to the one that was asked for."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

Shape: TypeAlias = Literal["step", "cosine", "linear", "constant"]
DROP = 0.1  # what remains after the paper's step


@dataclass(frozen=True, slots=True)
class Schedule:
    """A pure function of how far the training is, so that nothing of it needs to be stored.

    Attributes:
        shape: how the rate falls from ``decay_at`` on: at once to a tenth, along half a cosine to 0, on a straight
            line to 0, or not at all.
        decay_at: share of the training after which it falls; the paper: 40 of 50 epochs.
        warmup: optimization steps in which it rises from near 0.
    """

    shape: Shape = "step"
    decay_at: float = 0.8
    warmup: int = 0

    def factor(self, step: int, done: float) -> float:
        """For the step with this number (from 0), before which this share of all images was seen."""
        rising = min(1.0, (step + 1) / (self.warmup + 1))
        if self.shape == "constant" or done < self.decay_at:
            return rising
        if self.shape == "step":
            return rising * DROP
        left = (1 - done) / (1 - self.decay_at)
        return rising * (left if self.shape == "linear" else (1 - math.cos(math.pi * left)) / 2)
