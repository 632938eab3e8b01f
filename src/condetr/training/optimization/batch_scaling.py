"""Learning rates for steps of another size than the recipe's (Malladi et al., NeurIPS 2022, for Adam)."""

import math
from typing import Literal


def accumulation(setting: int | Literal["auto"], reference_batch: int, images: int) -> int:
    """Gradient accumulation steps; for "auto" as many as bring ``images`` of all processes to the reference batch."""
    if setting != "auto":
        return setting
    return max(1, round(reference_batch / images))


def rate_scale(reference_batch: int, images: int) -> float:
    """The factor of the learning rates in steps of ``images``; 1 without a reference."""
    return math.sqrt(images / reference_batch) if reference_batch else 1.0
