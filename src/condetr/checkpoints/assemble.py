"""A detector around given tensors, without drawing random values that are replaced anyway."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from condetr.checkpoints.translate import Shapes
from condetr.model.config import DetectorConfig, TimmDescription
from condetr.model.detector import ConditionalDetr
from condetr.model.heads import DetectionHead


class _Undrawn(TorchFunctionMode):
    """Draws no random values. The meta device has none, but for pretending torch imports its compiler: 2 s."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (Tensor.normal_, Tensor.uniform_):
            return args[0]
        return (torch.empty if func in (torch.randn, torch.rand) else func)(*args, **(kwargs or {}))


def skeleton_of(config: DetectorConfig) -> ConditionalDetr:
    """A detector without values, but for a network of timm, which may keep constants outside its state dict."""
    if isinstance(config.backbone, TimmDescription):
        return ConditionalDetr(config)
    with torch.device("meta"), _Undrawn():
        return ConditionalDetr(config)


def shapes_of(detector: ConditionalDetr) -> Shapes:
    return {name: tensor.shape for name, tensor in detector.state_dict().items()}


def assembled(skeleton: ConditionalDetr, tensors: Mapping[str, Tensor], dtype: torch.dtype) -> ConditionalDetr:
    """Fill the skeleton, with fresh values where no tensor is given; in evaluation mode."""
    state = {**tensors, **fresh_tensors(skeleton.config, skeleton.state_dict().keys() - tensors.keys())}
    skeleton.load_state_dict({name: tensor.to(dtype).contiguous() for name, tensor in state.items()}, assign=True)
    return skeleton.to(dtype).eval()


def fresh_tensors(config: DetectorConfig, names: Iterable[str]) -> dict[str, Tensor]:
    """What these tensors are at the start of training."""
    names = set(names)
    if not names:
        return {}
    if all(name.startswith("head.") for name in names):
        state = {f"head.{name}": tensor for name, tensor in DetectionHead(config).state_dict().items()}
    else:
        state = ConditionalDetr(config).state_dict()
    return {name: state[name] for name in names}
