"""FLOPs and parameters of a network, counted without running it."""

import torch

from condetr.images.sizes import HeightWidth
from condetr.model.config import DetectorConfig
from condetr.model.detector import ConditionalDetr


def flops_of(config: DetectorConfig, size: HeightWidth) -> int:
    """Floating-point operations, a multiply-add counted as two."""
    from torch.utils.flop_counter import FlopCounterMode  # slow: loads a compiler

    with torch.device("meta"):
        network = ConditionalDetr(config).eval().requires_grad_(requires_grad=False)
        pixels = torch.empty(1, config.backbone.in_channels, *size)
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        network(pixels, None)
    return counter.get_total_flops()


def parameters_of(config: DetectorConfig) -> int:
    """The number of parameters, frozen ones included."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in ConditionalDetr(config).parameters())
