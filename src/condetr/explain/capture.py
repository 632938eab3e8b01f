"""The inputs of attention layers, captured by hooks during a forward pass.

The network runs unchanged, with fused attention; weights are recomputed from these inputs for the few queries that are
explained.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from condetr.core.shapes import CellMask
from condetr.model.attention import ScaledDotProduct


class AttentionInputs(NamedTuple):
    """Both sides of one attention, after projection; the mask is True on cells that may be attended."""

    query: Float[Tensor, "batch heads queries width"]
    key: Float[Tensor, "batch heads cells width"]
    mask: CellMask | None


@contextmanager
def capture(attentions: Iterable[ScaledDotProduct]) -> Iterator[list[AttentionInputs]]:
    """Collects the inputs of each attention, in the order in which they run."""
    captured: list[AttentionInputs] = []

    def hook(_: nn.Module, arguments: tuple[Any, ...]) -> None:
        query, key, _value, mask = arguments
        captured.append(AttentionInputs(query, key, mask))

    hooks = [attention.register_forward_pre_hook(hook) for attention in attentions]
    try:
        yield captured
    finally:
        for handle in hooks:
            handle.remove()
