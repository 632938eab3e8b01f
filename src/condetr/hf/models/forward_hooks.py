"""Hooks that record the inputs of layers and the attention weights of a forward pass."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from condetr.core.shapes import Weights
from condetr.model.attention import ScaledDotProduct, attention_weights


@contextmanager
def record_inputs(layers: Iterable[nn.Module]) -> Iterator[list[Tensor]]:
    """Collects the first input of each layer, in the order in which they run; a skipped layer adds nothing."""
    recorded: list[Tensor] = []

    def record(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        recorded.append(inputs[0])

    with ExitStack() as hooks:
        for layer in layers:
            hooks.callback(layer.register_forward_pre_hook(record).remove)
        yield recorded


@contextmanager
def record_attention(attentions: Iterable[ScaledDotProduct]) -> Iterator[list[Weights]]:
    """Collects the weights of each attention, before dropout.

    If gradients are computed they flow through these very weights: ``retain_grad()`` works. The output of the
    attention stays that of the fused kernel, to the last bit, unless dropout is active: then it decides both.
    """
    weights: list[Weights] = []

    def record(attention: ScaledDotProduct, inputs: tuple[Any, ...], fused: Tensor) -> Tensor:
        query, key, value, mask = inputs
        weights.append(attention_weights(query, key, mask))
        if not torch.is_grad_enabled():
            return fused
        attended = attention.dropout(weights[-1]) @ value
        dropped = attention.dropout.p * attention.dropout.training
        return attended if dropped else fused.detach() + (attended - attended.detach())

    with ExitStack() as hooks:
        for attention in attentions:
            hooks.callback(attention.register_forward_hook(record).remove)
        yield weights
