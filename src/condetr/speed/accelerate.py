"""Which steps pay on a device: those that were measured to (docs/speed.md); elsewhere those that only spare work."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeGuard

import torch
from torch import nn

from condetr.core.names import Precision
from condetr.model.detector import ConditionalDetr
from condetr.model.segmenter import ConditionalDetrSegmenter
from condetr.speed.compiling import compile_frozen, why_not_compiled
from condetr.speed.compute_type import TYPES, lower_precision
from condetr.speed.decoder_constants import keep_constants
from condetr.speed.fast_detector import FastDetector
from condetr.speed.fast_mask_head import fuse_mask_upsampling
from condetr.speed.folding import fold_norms
from condetr.speed.fused_blocks import fuse_blocks
from condetr.speed.fused_feedforward import activate_in_place
from condetr.speed.onednn import is_available, pack_convolutions
from condetr.speed.position_cache import cache_position_grids
from condetr.speed.winograd.convolution import use_winograd

Step = Callable[[ConditionalDetr | FastDetector], FastDetector]

_SPARING: tuple[Step, ...] = (fold_norms, keep_constants, activate_in_place)
_FOR_ONEDNN: tuple[Step, ...] = (
    fold_norms,
    fuse_mask_upsampling,
    use_winograd,
    pack_convolutions,
    fuse_blocks,
    *_SPARING,
    cache_position_grids,
)
_ANSWERS = ("forward", "trace", "conclude", "segment")
_SLOWER = "torch.compile: where it was measured, processors are faster without it (docs/speed.md)"
_OF_PROCESSORS = "Winograd's products, packed convolutions, fewer products for masks"


@dataclass(frozen=True, slots=True)
class AccelerationOptions:
    """What somebody asks for: bits to compute with, and whether to wait for torch.compile."""

    precision: Precision = "fp32"
    compile: bool = False


NONE = AccelerationOptions()


@dataclass(frozen=True, slots=True)
class Choice:
    """Steps that are taken, in order; what is left out, and why; what whoever wished should be told."""

    steps: tuple[Step, ...]
    left_out: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def choose(device: torch.device, dtype: torch.dtype, acceleration: AccelerationOptions = NONE) -> Choice:
    """What pays on ``device`` for weights of ``dtype``; without a wish it needs no waiting."""
    lower = acceleration.precision != "fp32"
    dtype = TYPES[acceleration.precision] if lower else dtype
    lowering: tuple[Step, ...] = (partial(lower_precision, precision=acceleration.precision),) if lower else ()
    missing = why_not_compiled(device) if acceleration.compile else None
    if acceleration.compile and missing is None:
        own = f"{_OF_PROCESSORS}: the compiler has its own way"
        slower = device.type == "cpu" and dtype == torch.float32 and is_available()
        return Choice((*_SPARING, *lowering, compile_frozen), (own,), (_SLOWER,) if slower else ())
    compiling = f"torch.compile: {missing or 'waits for the compiler; --compile asks for it'}"
    warned = () if missing is None else (compiling,)
    if device.type != "cpu":
        reason = f"made for processors, not for {device.type}"
    elif not is_available():
        reason = "oneDNN is not in this torch"
    elif dtype != torch.float32:
        reason = f"made for float32, not for {dtype}".replace("torch.", "")
    else:
        return Choice(_FOR_ONEDNN, (compiling,), warned)
    return Choice((*_SPARING, *lowering), (f"{_OF_PROCESSORS}: {reason}", compiling), warned)


def can_accelerate(model: nn.Module) -> TypeGuard[ConditionalDetr]:
    """Whether it answers as Conditional DETR does; what answers in a way of its own is left alone."""
    known = ConditionalDetrSegmenter if isinstance(model, ConditionalDetrSegmenter) else ConditionalDetr
    if not isinstance(model, known):
        return False
    return all(getattr(type(model), name) is getattr(known, name) for name in _ANSWERS if hasattr(known, name))


def accelerate(
    model: ConditionalDetr | FastDetector,
    device: torch.device,
    acceleration: AccelerationOptions = NONE,
) -> FastDetector:
    """A copy on ``device`` with all that pays there; its ``steps`` say what that is.

    Without a wish the weights keep their precision, nothing is waited for, and the answers are the same within
    rounding. The model must be on the device. What speaks against a wish, or keeps it from coming true, is warned of.

    Raises:
        UsageError: the device is slower with the precision that was wished for.
    """
    choice = choose(device, model_dtype(model), acceleration)
    for reason in choice.warnings:
        warnings.warn(reason, stacklevel=2)
    for step in choice.steps:
        model = step(model)
    assert isinstance(model, FastDetector)
    return model


def inference_model(model: nn.Module, device: torch.device, acceleration: AccelerationOptions = NONE) -> nn.Module:
    """The fast copy of what `can_accelerate`, and anything else as it is."""
    return accelerate(model, device, acceleration) if can_accelerate(model) else model


def model_dtype(model: ConditionalDetr | FastDetector) -> torch.dtype:
    return next(weight.dtype for weight in model.parameters())
