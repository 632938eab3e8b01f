"""How much work a network does for one image, counted without doing it."""

import torch

from condetr.images.sizes import HeightWidth
from condetr.model.config import DetectorConfig
from condetr.model.detector import ConditionalDetr


def flops_of(config: DetectorConfig, size: HeightWidth) -> int:
    """Floating-point operations, a multiply and its add counted as two."""
    from torch.utils.flop_counter import FlopCounterMode  # loads a compiler, which nobody waits for who predicts

    with torch.device("meta"):
        network = ConditionalDetr(config).eval().requires_grad_(requires_grad=False)
        pixels = torch.empty(1, config.backbone.in_channels, *size)
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode():
        network(pixels, None)
    return counter.get_total_flops()


def parameters_of(config: DetectorConfig) -> int:
    """How many numbers the network learns, frozen ones included, without making them."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in ConditionalDetr(config).parameters())
