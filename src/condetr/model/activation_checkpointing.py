"""Activation checkpointing: what a layer computes is discarded and computed again for the gradients.

Less memory for more work (Chen et al. 2016). The gradients are the same, dropout included.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def enable(layers: Iterable[nn.Module], **options: Any) -> None:
    """``options`` are those of ``torch.utils.checkpoint.checkpoint``."""
    for layer in layers:
        vars(layer)["forward"] = partial(_checkpointed, layer, {"use_reentrant": False, **options})


def disable(layers: Iterable[nn.Module]) -> None:
    """Undo `enable`."""
    for layer in layers:
        vars(layer).pop("forward", None)


def is_enabled(layer: nn.Module) -> bool:
    return "forward" in vars(layer)


@contextmanager
def suspended(layers: Iterable[nn.Module]) -> Iterator[None]:
    """Disabled for a while, e.g. while hooks inside the layers must run only once."""
    forwards = {layer: vars(layer).pop("forward") for layer in layers if is_enabled(layer)}
    try:
        yield
    finally:
        for layer, forward in forwards.items():
            vars(layer)["forward"] = forward


def _checkpointed(layer: nn.Module, options: dict[str, Any], *inputs: Any) -> Any:
    forward = partial(type(layer).forward, layer)
    return checkpoint(forward, *inputs, **options) if torch.is_grad_enabled() else forward(*inputs)
