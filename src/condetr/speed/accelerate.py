"""The optimizations that a device gets: those measured to pay (docs/speed.md), elsewhere those that only save work."""

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
from condetr.speed.decoder_constants import precompute_decoder
from condetr.speed.fast_detector import FastDetector
from condetr.speed.fast_mask_head import fuse_mask_upsampling
from condetr.speed.folding import fold_norms
from condetr.speed.fused_blocks import fuse_blocks
from condetr.speed.fused_feedforward import activate_in_place
from condetr.speed.onednn import is_available, pack_convolutions
from condetr.speed.packed_linear import pack_linears
from condetr.speed.position_cache import cache_position_grids
from condetr.speed.winograd.convolution import use_winograd

Step = Callable[[ConditionalDetr | FastDetector], FastDetector]

_EVERYWHERE: tuple[Step, ...] = (fold_norms, precompute_decoder, activate_in_place)
_FOR_ONEDNN: tuple[Step, ...] = (
    fold_norms,
    fuse_mask_upsampling,
    use_winograd,
    pack_convolutions,
    fuse_blocks,
    *_EVERYWHERE,
    pack_linears,
    cache_position_grids,
)
_METHODS = ("forward", "trace", "predict_last", "segment")
_SLOWER = "torch.compile: CPUs were faster without it where it was measured (docs/speed.md)"
_CPU_ONLY = "Winograd convolutions, prepacked convolutions and linear layers, fused upsampling of masks"


@dataclass(frozen=True, slots=True)
class AccelerationOptions:
    """Requested precision, and whether to use torch.compile."""

    precision: Precision = "fp32"
    compile: bool = False


NONE = AccelerationOptions()


@dataclass(frozen=True, slots=True)
class AccelerationPlan:
    """Steps in order; the optimizations left out, each with its reason; warnings about the requested options."""

    steps: tuple[Step, ...]
    left_out: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def plan_acceleration(
    device: torch.device, dtype: torch.dtype, acceleration: AccelerationOptions = NONE
) -> AccelerationPlan:
    """What pays on ``device`` for weights of ``dtype``; by default nothing is compiled."""
    lower = acceleration.precision != "fp32"
    dtype = TYPES[acceleration.precision] if lower else dtype
    lowering: tuple[Step, ...] = (partial(lower_precision, precision=acceleration.precision),) if lower else ()
    missing = why_not_compiled(device) if acceleration.compile else None
    if acceleration.compile and missing is None:
        replaced = f"{_CPU_ONLY}: the compiler replaces them"
        slower = device.type == "cpu" and dtype == torch.float32 and is_available()
        return AccelerationPlan((*_EVERYWHERE, *lowering, compile_frozen), (replaced,), (_SLOWER,) if slower else ())
    compiling = f"torch.compile: {missing or 'off by default, for compiling takes long; --compile turns it on'}"
    warned = () if missing is None else (compiling,)
    if device.type != "cpu":
        reason = f"for CPUs only, not for {device.type}"
    elif not is_available():
        reason = "this build of torch has no oneDNN"
    elif dtype != torch.float32:
        reason = f"for float32 only, not for {dtype}".replace("torch.", "")
    else:
        return AccelerationPlan(_FOR_ONEDNN, (compiling,), warned)
    return AccelerationPlan((*_EVERYWHERE, *lowering), (f"{_CPU_ONLY}: {reason}", compiling), warned)


def can_accelerate(model: nn.Module) -> TypeGuard[ConditionalDetr]:
    """Whether it is a Conditional DETR whose methods no subclass overrides."""
    base = ConditionalDetrSegmenter if isinstance(model, ConditionalDetrSegmenter) else ConditionalDetr
    if not isinstance(model, base):
        return False
    return all(getattr(type(model), name) is getattr(base, name) for name in _METHODS if hasattr(base, name))


def accelerate(
    model: ConditionalDetr | FastDetector,
    device: torch.device,
    acceleration: AccelerationOptions = NONE,
) -> FastDetector:
    """A copy on ``device`` with every optimization that pays there; its ``steps`` name them.

    By default the weights keep their precision, nothing is compiled, and the outputs are the same within rounding. The
    model must be on the device. A requested option that is slower there or cannot be had gives a warning.

    Raises:
        UsageError: the device is slower with the requested precision.
    """
    plan = plan_acceleration(device, next(model.parameters()).dtype, acceleration)
    for reason in plan.warnings:
        warnings.warn(reason, stacklevel=2)
    for step in plan.steps:
        model = step(model)
    assert isinstance(model, FastDetector)
    return model


def inference_model(model: nn.Module, device: torch.device, acceleration: AccelerationOptions = NONE) -> nn.Module:
    """The accelerated copy where `can_accelerate`; other models as they are."""
    return accelerate(model, device, acceleration) if can_accelerate(model) else model
