"""The events of a training run, for progress bars, printed lines and tests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Started:
    """Attributes: the run ``folder``, ``steps`` left to take, steps ``done`` before, and ``images`` per step."""

    folder: Path
    epochs: int
    steps: int
    done: int
    images: int
    device: str


@dataclass(frozen=True, slots=True)
class BackbonePretrained:
    """After every step of backbone pretraining, of which there are ``steps``."""

    step: int
    steps: int
    loss: float


@dataclass(frozen=True, slots=True)
class Stepped:
    """After every step. Attributes: ``step`` and ``epoch`` so far, ``loss``, and recent ``seconds`` per step."""

    step: int
    epoch: float
    loss: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Evaluating:
    epoch: int


@dataclass(frozen=True, slots=True)
class Evaluated:
    epoch: int
    metrics: Mapping[str, float]
    is_best: bool


@dataclass(frozen=True, slots=True)
class Saved:
    path: Path


@dataclass(frozen=True, slots=True)
class Noted:
    text: str


@dataclass(frozen=True, slots=True)
class Warned:
    text: str


Event: TypeAlias = Started | BackbonePretrained | Stepped | Evaluating | Evaluated | Saved | Noted | Warned
EventHandler: TypeAlias = Callable[[Event], None]


def ignore_events(_: Event) -> None:
    pass
