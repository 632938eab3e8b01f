"""A score threshold for each class: one for all, and others for some."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from condetr.core.errors import UsageError
from condetr.images.detections import Detections

DEFAULT = 0.5


@dataclass(frozen=True)
class Thresholds:
    """Scores that detections must exceed.

    Attributes:
        default: of classes that are not in ``of_class``.
        of_class: by class id.
    """

    default: float
    of_class: Mapping[int, float]

    @property
    def lowest(self) -> float:
        return min(self.default, *self.of_class.values()) if self.of_class else self.default

    def kept(self, result: Detections) -> Detections:
        """The detections that score above the threshold of their class."""
        limits = [self.of_class.get(label, self.default) for label in result.labels.tolist()]
        above = result.scores.double().cpu() > torch.tensor(limits, dtype=torch.float64)
        return result.chosen(above.nonzero()[:, 0])


def thresholds_of(
    threshold: float | int | Mapping[str, float | int] | Iterable[str], names: Mapping[int, str]
) -> Thresholds:
    """Thresholds from a number, a mapping from class names to numbers, or words such as ``0.5`` and ``cell=0.4``.

    A mapping or words without a number for the other classes leave them at 0.5.

    Raises:
        UsageError: a number is not from 0 to 1, a class has two, or the model has no such class.
    """
    if isinstance(threshold, int | float):
        return Thresholds(_checked(threshold, "threshold"), {})
    pairs = list(threshold.items()) if isinstance(threshold, Mapping) else [_pair_of(word) for word in threshold]
    default: float = DEFAULT
    of_class: dict[int, float] = {}
    seen: set[str | None] = set()
    for name, value in pairs:
        if name in seen:
            raise UsageError(f"has two values for {name or 'all classes'}", item="threshold")
        seen.add(name)
        if name is None:
            default = _checked(value, "threshold")
        else:
            of_class |= dict.fromkeys(_ids_of(name, names), _checked(value, f"threshold of {name}"))
    return Thresholds(default, of_class)


def _pair_of(word: str) -> tuple[str | None, float]:
    name, _, number = word.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        reason = f"is {word!r}, expected a number, or CLASS=NUMBER such as cell=0.4"
        raise UsageError(reason, item="threshold") from None
    return name.strip() or None, value


def _checked(value: float | int, item: str) -> float:
    if not 0 <= value <= 1:
        raise UsageError(f"is {value}, expected a number from 0 to 1", item=item)
    return float(value)


def _ids_of(name: str, names: Mapping[int, str]) -> list[int]:
    ids = [label for label, each in names.items() if each == name]
    if not ids:
        near = difflib.get_close_matches(name, names.values(), n=3)
        hint = f"the nearest: {', '.join(near)}" if near else f"it has {len(names)} classes"
        raise UsageError(f"the model has no class {name!r}", item="threshold", hint=hint)
    return ids
