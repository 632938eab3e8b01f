"""The settings that ``condetr tune`` searches, as factors of what a training without a search would have.

Factors fit any dataset, network and device: 1 is the default, which is the first trial.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, get_args, runtime_checkable

from condetr.core.names import AugmentationPreset

Searched: TypeAlias = Literal["lr", "lr_backbone", "batch", "image_size", "augment", "ema"]
SEARCHED: tuple[Searched, ...] = get_args(Searched)
RATES = {"lr": (0.2, 5.0), "lr_backbone": (0.1, 10.0)}  # lowest and highest factor
BATCHES = (0.5, 1.0, 2.0, 4.0)
SIZES = (0.75, 1.0, 1.25, 1.5)
EMAS = (0.0, 0.99, 0.998, 0.9998)
DIVISOR = 8  # of image sizes


@runtime_checkable
class Trial(Protocol):
    """What is used of ``optuna.trial.Trial``."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float: ...
    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...


def searchable(searched: Sequence[Searched], base: Mapping[str, Any], named: Mapping[str, Any]) -> tuple[Searched, ...]:
    """Those that are not ``named`` by the user, and have a value in ``base`` that can be varied."""
    return tuple(name for name in searched if name not in named and _choices_of(name, base))


def suggest(trial: Trial, searched: Sequence[Searched], base: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for one trial, of those that a training would have without a search."""
    chosen: dict[str, Any] = {}
    for name in searched:
        if name in RATES:
            low, high = RATES[name]
            chosen[name] = float(f"{base[name] * trial.suggest_float(f'{name}_factor', low, high, log=True):.3g}")
        elif name == "batch":
            chosen["batch"] = max(1, round(base["batch"] * trial.suggest_categorical("batch_factor", BATCHES)))
        elif name == "image_size":
            scale = trial.suggest_categorical("image_size_factor", SIZES)
            edges = {edge: base[edge] for edge in ("image_size", "max_size") if base.get(edge) is not None}
            chosen |= {edge: max(DIVISOR, DIVISOR * round(pixels * scale / DIVISOR)) for edge, pixels in edges.items()}
        else:
            chosen[name] = trial.suggest_categorical(name, _choices_of(name, base))
    return chosen


def first_guess(searched: Sequence[Searched], base: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a trial that has the values of ``base``."""
    return {
        name if name in ("augment", "ema") else f"{name}_factor": base[name] if name in ("augment", "ema") else 1.0
        for name in searched
    }


def _choices_of(name: Searched, base: Mapping[str, Any]) -> tuple[Any, ...]:
    """Empty where the base has no value that can be varied."""
    value = base.get(name)
    if name in RATES:
        return RATES[name] if value else ()
    if name == "augment":
        return get_args(AugmentationPreset) if value in get_args(AugmentationPreset) else ()
    if name == "ema":
        return EMAS if value in EMAS else (value, *EMAS)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return (BATCHES if name == "batch" else SIZES) if is_number else ()
