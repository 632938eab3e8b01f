"""Which convolution of a backbone each of its frozen norms follows."""

from collections import Counter
from typing import Any, TypeAlias, TypeGuard

from torch import fx, nn

from condetr.model.frozen_norm import ConvNorm, FrozenBatchNorm
from condetr.model.timm_backbone import TimmBackbone
from condetr.speed.convolution import pads_as_needed

ConvNormPair: TypeAlias = tuple[nn.Conv2d, FrozenBatchNorm]


def conv_norm_pairs(backbone: nn.Module) -> list[ConvNormPair]:
    """Pairs that one convolution can replace: nothing else reads what the convolution makes, and each is used once.

    Norms of timm's networks are paired by tracing them; a network that cannot be traced has no pairs.
    """
    own = [(unit.conv, unit.norm) for unit in backbone.modules() if isinstance(unit, ConvNorm)]
    return [*own, *(pair for unit in backbone.modules() if isinstance(unit, TimmBackbone) for pair in _traced(unit))]


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, nn.Conv2d | FrozenBatchNorm) or super().is_leaf_module(module, name)


def _traced(backbone: TimmBackbone) -> list[ConvNormPair]:
    try:
        graph = _Tracer().trace(backbone.network)
    except (fx.proxy.TraceError, TypeError, ValueError, RuntimeError, AttributeError, NotImplementedError):
        return []
    calls = [node for node in graph.nodes if node.op == "call_module"]
    uses = Counter(node.target for node in calls)
    pairs = []
    for node in calls:
        norm = backbone.network.get_submodule(node.target)
        source: Any = node.args[0] if node.args else None
        if not isinstance(norm, FrozenBatchNorm) or source not in calls:
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
