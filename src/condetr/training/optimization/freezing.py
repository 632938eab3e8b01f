"""Freezing parts of the network."""

from collections.abc import Sequence

from torch import nn

from condetr.core.names import FreezablePart
from condetr.model.backbone import early_layers
from condetr.model.detector import ConditionalDetr


def freeze(detector: ConditionalDetr, parts: Sequence[FreezablePart]) -> list[nn.Parameter]:
    """Disable the gradients of these parts; returns the parameters that had them.

    "early" is the stem and first stage of the backbone (DETR, appendix A.4); "detector" is everything but a mask head.
    """
    frozen = [parameter for part in parts for parameter in _parameters(detector, part) if parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad = False
    return frozen


def _parameters(detector: ConditionalDetr, part: FreezablePart) -> list[nn.Parameter]:
    if part == "early":
        return [detector.body.backbone.get_parameter(name) for name in early_layers(detector.body.backbone)]
    if part == "detector":
        return [weight for name, weight in detector.named_parameters() if not name.startswith("mask_head.")]
    return list((detector.head if part == "head" else getattr(detector.body, part)).parameters())
