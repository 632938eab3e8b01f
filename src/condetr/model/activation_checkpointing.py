"""Less memory for more work: what a layer computes is thrown away and computed again for the gradients.

Chen et al. 2016. The gradients are the same, dropout included; the layers do not know.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


def recompute(layers: Iterable[nn.Module], **options: Any) -> None:
    """``options`` are those of ``torch.utils.checkpoint.checkpoint``."""
    for layer in layers:
        vars(layer)["forward"] = partial(_forgetting, layer, {"use_reentrant": False, **options})


def keep(layers: Iterable[nn.Module]) -> None:
    """Undo `recompute`."""
    for layer in layers:
        vars(layer).pop("forward", None)


def is_recomputed(layer: nn.Module) -> bool:
    return "forward" in vars(layer)


@contextmanager
def kept(layers: Iterable[nn.Module]) -> Iterator[None]:
    """For as long as somebody watches the inside of the layers, which must then happen only once."""
    set_aside = {layer: vars(layer).pop("forward") for layer in layers if is_recomputed(layer)}
    try:
        yield
    finally:
        for layer, forward in set_aside.items():
            vars(layer)["forward"] = forward


def _forgetting(layer: nn.Module, options: dict[str, Any], *given: Any) -> Any:
    forward = partial(type(layer).forward, layer)
    return checkpoint(forward, *given, **options) if torch.is_grad_enabled() else forward(*given)
