"""Which steps pay on a device: those that were measured to (docs/speed.md); elsewhere those that only spare work."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeGuard

import torch
from torch import nn

from condetr.model.detector import ConditionalDetr
from condetr.model.segmenter import ConditionalDetrSegmenter
from condetr.speed.blocks import fuse_blocks
from condetr.speed.constants import keep_constants
from condetr.speed.fast_detector import FastDetector
from condetr.speed.feedforward import activate_in_place
from condetr.speed.folding import fold_norms
from condetr.speed.grids import keep_grids
from condetr.speed.masks import convolve_before_enlarging
from condetr.speed.onednn import is_available, pack_convolutions
from condetr.speed.winograd import multiply_less

Step = Callable[[ConditionalDetr | FastDetector], FastDetector]

_SPARING: tuple[Step, ...] = (fold_norms, keep_constants, activate_in_place)
_FOR_ONEDNN: tuple[Step, ...] = (
    fold_norms,
    convolve_before_enlarging,
    multiply_less,
    pack_convolutions,
    fuse_blocks,
    *_SPARING,
    keep_grids,
)

_ANSWERS = ("forward", "trace", "conclude", "segment")
_OF_PROCESSORS = "Winograd's products, packed convolutions, fewer products for masks"


@dataclass(frozen=True, slots=True)
class Choice:
    """Steps that are taken, in order, and what is left out, and why."""

    steps: tuple[Step, ...]
    left_out: tuple[str, ...] = ()


def choose(device: torch.device, dtype: torch.dtype) -> Choice:
    """What pays on ``device`` for weights of ``dtype`` and needs no waiting."""
    compiling = "torch.compile: waits for the compiler; condetr.speed.compiling has it"
    if device.type != "cpu":
        unmeasured = f"{_OF_PROCESSORS}: made for processors, not for {device.type}"
        return Choice(_SPARING, (unmeasured, compiling))
    if not is_available() or dtype != torch.float32:
        reason = "oneDNN is not in this torch" if dtype == torch.float32 else f"the weights are {dtype}, not float32"
        return Choice(_SPARING, (f"{_OF_PROCESSORS}: {reason}", compiling))
    return Choice(_FOR_ONEDNN, (compiling,))


def can_be_hastened(model: nn.Module) -> TypeGuard[ConditionalDetr]:
    """Whether it answers as Conditional DETR does; what answers in a way of its own is left alone."""
    known = ConditionalDetrSegmenter if isinstance(model, ConditionalDetrSegmenter) else ConditionalDetr
    if not isinstance(model, known):
        return False
    return all(getattr(type(model), name) is getattr(known, name) for name in _ANSWERS if hasattr(known, name))


def hasten(model: ConditionalDetr | FastDetector, device: torch.device) -> FastDetector:
    """A copy on ``device`` with all that pays there and needs no waiting; its ``steps`` say what that is.

    The weights keep their precision, and the answers are the same within its rounding. The model must be on the device.
    """
    for step in choose(device, model_dtype(model)).steps:
        model = step(model)
    assert isinstance(model, FastDetector)
    return model


def answering(model: nn.Module, device: torch.device) -> nn.Module:
    """The fast copy of what `can_be_hastened`, and anything else as it is."""
    return hasten(model, device) if can_be_hastened(model) else model


def model_dtype(model: ConditionalDetr | FastDetector) -> torch.dtype:
    return next(weight.dtype for weight in model.parameters())
