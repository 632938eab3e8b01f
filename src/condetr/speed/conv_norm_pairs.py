"""Which convolution of a backbone each of its frozen norms follows."""

import copy
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias, TypeGuard

from torch import fx, nn

from condetr.model.frozen_norm import ConvNorm, FrozenBatchNorm
from condetr.model.timm_backbone import TimmBackbone
from condetr.speed.convolution import pads_as_needed

ConvNormPair: TypeAlias = tuple[nn.Conv2d, FrozenBatchNorm]
_TRACING = threading.Lock()  # torch.fx changes torch.nn.Module while it traces


def conv_norm_pairs(backbone: nn.Module) -> list[ConvNormPair]:
    """Pairs that one convolution can replace: nothing else reads what the convolution makes, and each is used once.

    Norms of timm's networks are paired by tracing them; a network that cannot be traced has no pairs.
    """
    own = [(unit.conv, unit.norm) for unit in backbone.modules() if isinstance(unit, ConvNorm)]
    return [*own, *(pair for unit in backbone.modules() if isinstance(unit, TimmBackbone) for pair in _traced(unit))]


class _Tracer(fx.Tracer):
    """Modules with a frozen norm inside are traced, all others are single nodes."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._traced = set(network.modules())
        self._whole = {unit for unit in self._traced if not any(_is_norm(part) for part in unit.modules())}

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return module in self._whole or _is_norm(module) or super().is_leaf_module(module, name)

    def call_module(self, module: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if module not in self._traced:  # another thread's: torch.fx changes how all modules are called
            return forward(*args, **kwargs)
        return super().call_module(module, forward, args, kwargs)


def _is_norm(module: nn.Module) -> bool:
    return isinstance(module, FrozenBatchNorm)


def _traced(backbone: TimmBackbone) -> list[ConvNormPair]:
    """A copy is traced: networks of timm may keep what passes through them."""
    with _TRACING:
        network = copy.deepcopy(backbone.network).to("meta")
        try:
            graph = _Tracer(network).trace(network)
        except Exception:
            return []
    calls = [node for node in graph.nodes if node.op == "call_module"]
    uses = Counter(node.target for node in calls)
    pairs = []
    for node in calls:
        norm = backbone.network.get_submodule(node.target)
        source: Any = node.args[0] if node.args else None
        if not isinstance(norm, FrozenBatchNorm) or getattr(source, "op", None) != "call_module":
            continue
        conv = backbone.network.get_submodule(source.target)
        if is_plain(conv) and len(source.users) == uses[node.target] == uses[source.target] == 1:
            pairs.append((conv, norm))
    return pairs


def is_plain(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    """Whether it is a convolution without a bias, padded with zeros, that computes with its weight as it is."""
    if not isinstance(module, nn.Conv2d) or module.bias is not None or module.padding_mode != "zeros":
        return False
    return pads_as_needed(module) or (type(module) is nn.Conv2d and isinstance(module.padding, tuple))
