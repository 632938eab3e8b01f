"""Watching a network from outside while it looks: what enters its layers, and where its attention goes."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from condetr.core.shapes import Weights
from condetr.model.attention import ScaledDotProduct, attention_weights


@contextmanager
def entering(layers: Iterable[nn.Module]) -> Iterator[list[Tensor]]:
    """Collects what each layer is given, in the order in which they run; a layer that is skipped leaves nothing."""
    entered: list[Tensor] = []

    def note(_: nn.Module, given: tuple[Any, ...]) -> None:
        entered.append(given[0])

    with _hooked(layers, note):
        yield entered


@contextmanager
def attending(attentions: Iterable[ScaledDotProduct]) -> Iterator[list[Weights]]:
    """Collects the weights of each attention, before dropout. Gradients flow through them."""
    weights: list[Weights] = []

    def note(_: nn.Module, given: tuple[Any, ...]) -> None:
        query, key, _value, mask = given
        weights.append(attention_weights(query, key, mask))

    with _hooked(attentions, note):
        yield weights


@contextmanager
def _hooked(modules: Iterable[nn.Module], hook: Any) -> Iterator[None]:
    hooks = [module.register_forward_pre_hook(hook) for module in modules]
    try:
        yield
    finally:
        for registered in hooks:
            registered.remove()
