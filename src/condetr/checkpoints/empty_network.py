"""Building a network from tensors, without drawing random values that are replaced anyway."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from condetr.checkpoints.translate import Shapes
from condetr.model.config import DetectorConfig, TimmDescription
from condetr.model.detector import ConditionalDetr
from condetr.model.heads import DetectionHead
from condetr.model.mask_head import MaskHead

Network = TypeVar("Network", bound=ConditionalDetr)


class _Undrawn(TorchFunctionMode):
    """Draws no random values: on the meta device they are not needed, but torch would import its compiler, 2 s."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (Tensor.normal_, Tensor.uniform_):
            return args[0]
        return (torch.empty if func in (torch.randn, torch.rand) else func)(*args, **(kwargs or {}))


def skeleton_of(config: DetectorConfig, kind: type[Network]) -> Network:
    """A network without values, except in a timm backbone, which may have constants outside its state dict."""
    if isinstance(config.backbone, TimmDescription):
        return kind(config)
    with torch.device("meta"), _Undrawn():
        return kind(config)


def shapes_of(network: ConditionalDetr) -> Shapes:
    return {name: tensor.shape for name, tensor in network.state_dict().items()}


def assembled(skeleton: Network, tensors: Mapping[str, Tensor], dtype: torch.dtype) -> Network:
    """Fill the skeleton, with fresh values for missing tensors; in evaluation mode."""
    state = {**tensors, **fresh_tensors(skeleton, skeleton.state_dict().keys() - tensors.keys())}
    skeleton.load_state_dict({name: tensor.to(dtype).contiguous() for name, tensor in state.items()}, assign=True)
    return skeleton.to(dtype).eval()


def fresh_tensors(network: ConditionalDetr, names: Iterable[str]) -> dict[str, Tensor]:
    """Freshly initialized values of these tensors."""
    names, config = set(names), network.config
    heads: dict[str, Callable[[], nn.Module]] = {
        "head": lambda: DetectionHead.fresh(config),
        "mask_head": lambda: MaskHead.fresh(config, network.body.backbone.widths),
    }
    parts = {name.partition(".")[0] for name in names}
    if parts <= heads.keys():
        state = {f"{part}.{name}": t for part in parts for name, t in heads[part]().state_dict().items()}
    else:
        state = type(network)(config).state_dict()
    return {name: state[name] for name in names}
