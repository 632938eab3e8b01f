"""The events of a training run, for progress bars, printed lines and tests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Started:
    """Attributes: the run ``folder``, ``steps`` left (None: not known yet), steps ``done``, and ``images`` per step."""

    folder: Path
    steps: int | None
    done: int
    images: int
    device: str


@dataclass(frozen=True, slots=True)
class Planned:
    """The steps for the time budget are laid out, or changed. Attributes: ``steps`` left, steps ``done``, in words."""

    steps: int
    done: int
    text: str


@dataclass(frozen=True, slots=True)
class ImageChecked:
    """After every image whose pixels are checked, of which there are ``images``."""

    image: int
    images: int


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
    epoch: float


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Attributes: ``epoch`` that it follows; 0: of the start model, before the first step."""

    epoch: float
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


Event: TypeAlias = (
    ImageChecked | Started | Planned | BackbonePretrained | Stepped | Evaluating | Evaluated | Saved | Noted | Warned
)
EventHandler: TypeAlias = Callable[[Event], None]


def ignore_events(_: Event) -> None:
    pass
