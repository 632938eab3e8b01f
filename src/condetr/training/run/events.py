"""What a training run tells whoever watches it: a progress bar, plain lines, a test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Started:
    """Attributes: the run's ``folder``, ``steps`` left to take, ``done`` before, and ``images`` of a step."""

    folder: Path
    epochs: int
    steps: int
    done: int
    images: int
    device: str


@dataclass(frozen=True, slots=True)
class Named:
    """After every step of naming, of which there are ``steps``."""

    step: int
    steps: int
    loss: float


@dataclass(frozen=True, slots=True)
class Stepped:
    """After every step: how many there were, times that all images were seen, the loss, and seconds a step lately."""

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


Event: TypeAlias = Started | Named | Stepped | Evaluating | Evaluated | Saved | Noted | Warned
EventHandler: TypeAlias = Callable[[Event], None]


def ignore_events(_: Event) -> None:
    pass
