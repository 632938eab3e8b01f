"""A detector around given tensors, without initialising what is replaced anyway."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from condetr.checkpoints.translate import Shapes
from condetr.model.config import DetectorConfig, TimmDescription
from condetr.model.detector import ConditionalDetr
from condetr.model.heads import DetectionHead


def shapes_of(config: DetectorConfig) -> Shapes:
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in ConditionalDetr(config).state_dict().items()}


def assembled(config: DetectorConfig, tensors: Mapping[str, Tensor], dtype: torch.dtype) -> ConditionalDetr:
    """The detector, in evaluation mode, with tensors that are not given freshly initialised."""
    # A network of timm may keep constants outside its state dict: those must be computed.
    device = "cpu" if isinstance(config.backbone, TimmDescription) else "meta"
    with torch.device(device):
        detector = ConditionalDetr(config)
    absent = detector.state_dict().keys() - tensors.keys()
    state = {**tensors, **fresh_tensors(config, absent)}
    detector.load_state_dict({name: tensor.to(dtype).contiguous() for name, tensor in state.items()}, assign=True)
    return detector.to(dtype).eval()


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
