"""Parts of the network that training leaves as they are."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

from torch import nn

from condetr.model.backbone import early_layers
from condetr.model.body import Body

Part: TypeAlias = Literal["early", "backbone", "encoder", "decoder", "head"]


def freeze(detector: Body, parts: Sequence[Part]) -> None:
    """No gradients for these parts; "early" is the stem and first stage of the backbone (DETR, appendix A.4)."""
    for part in parts:
        frozen = early_layers(detector.backbone) if part == "early" else None
        module: nn.Module = detector.backbone if part == "early" else getattr(detector, part)
        for name, parameter in module.named_parameters():
            if frozen is None or name in frozen:
                parameter.requires_grad = False
