"""Settings that are "auto": what fits the number of optimization steps."""

from typing import Literal

WARM_UP = 60  # steps, at most
WARM_UP_SHARE = 0.1  # of the steps, at most
AVERAGED = 1 / 15  # of the steps, over which EMA averages
LOWEST_DECAY, HIGHEST_DECAY = 0.9, 0.9998


def warmup_steps(setting: int | Literal["auto"], steps: int) -> int:
    """Optimization steps in which the learning rate rises."""
    return min(WARM_UP, int(WARM_UP_SHARE * steps)) if setting == "auto" else setting


def ema_decay(setting: float | Literal["auto"], steps: int) -> float:
    """An EMA of decay d averages over 1 / (1 - d) updates: here over a fixed fraction of the steps."""
    if setting != "auto":
        return setting
    return round(min(HIGHEST_DECAY, max(LOWEST_DECAY, 1 - 1 / (AVERAGED * max(1, steps)))), 5)


def epochs_between_evaluations(setting: int | Literal["auto"], epochs: float, most: int = 12) -> int:
    """At most ``most`` evaluations in all."""
    return max(1, -(-int(epochs) // most)) if setting == "auto" else setting
