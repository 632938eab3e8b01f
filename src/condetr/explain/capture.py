"""What enters the attentions while a network looks, kept so that any query can be map_rows about afterwards.

The network runs as it always does; weights are computed from what is kept here, for the few queries that matter.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from condetr.core.shapes import CellMask
from condetr.model.attention import ScaledDotProduct


class AttentionInputs(NamedTuple):
    """Both sides of one attention, after projection; the mask is True on cells that may be looked at."""

    query: Float[Tensor, "batch heads queries width"]
    key: Float[Tensor, "batch heads cells width"]
    mask: CellMask | None


@contextmanager
def capture(attentions: Iterable[ScaledDotProduct]) -> Iterator[list[AttentionInputs]]:
    """Collects what enters each attention, in the order in which they run."""
    inputs: list[AttentionInputs] = []

    def note(_: nn.Module, given: tuple[Any, ...]) -> None:
        query, key, _value, mask = given
        inputs.append(AttentionInputs(query, key, mask))

    hooks = [attention.register_forward_pre_hook(note) for attention in attentions]
    try:
        yield inputs
    finally:
        for hook in hooks:
            hook.remove()
