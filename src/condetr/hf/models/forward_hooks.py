"""Watching a network from outside while it looks: what enters its layers, and where its attention goes."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from condetr.core.shapes import Weights
from condetr.model.attention import ScaledDotProduct, attention_weights


@contextmanager
def entering(layers: Iterable[nn.Module]) -> Iterator[list[Tensor]]:
    """Collects what each layer is given, in the order in which they run; a layer that is skipped leaves nothing."""
    entered: list[Tensor] = []

    def note(_: nn.Module, given: tuple[Any, ...]) -> None:
        entered.append(given[0])

    with ExitStack() as hooks:
        for layer in layers:
            hooks.callback(layer.register_forward_pre_hook(note).remove)
        yield entered


@contextmanager
def attending(attentions: Iterable[ScaledDotProduct]) -> Iterator[list[Weights]]:
    """Collects the weights of each attention, before dropout.

    Where gradients are computed they flow through these very weights: ``retain_grad()`` works. What the attention
    answers stays that of the fused kernel, to the last bit, unless dropout is active: then it decides both.
    """
    weights: list[Weights] = []

    def note(attention: ScaledDotProduct, given: tuple[Any, ...], fused: Tensor) -> Tensor:
        query, key, value, mask = given
        weights.append(attention_weights(query, key, mask))
        if not torch.is_grad_enabled():
            return fused
        seen = attention.dropout(weights[-1]) @ value
        dropped = attention.dropout.p * attention.dropout.training
        return seen if dropped else fused.detach() + (seen - seen.detach())

    with ExitStack() as hooks:
        for attention in attentions:
            hooks.callback(attention.register_forward_hook(note).remove)
        yield weights
