"""Backbones by the names of timm and torchvision."""

from dataclasses import replace
from typing import Any

import torch

from condetr.core.errors import SettingsError
from condetr.model.config import ResNetDescription, TimmDescription
from condetr.model.resnet_names import RESNETS
from condetr.model.timm_backbone import timm_features, used_stages
from condetr.model.timm_norms import without_idle_options


def named_backbone(
    name: str, output_stride: int | None = None, out_indices: tuple[int, ...] | None = None
) -> ResNetDescription | TimmDescription:
    """The backbone of this name, with the stages that a ResNet has, too; norms keep their activations and epsilons.

    Args:
        name: resnet18 to resnet152 and their variants, or any other of timm's; the tag of pretrained weights after a
            point is left out.
        output_stride: pixels per cell of the last stage; None: as the architecture has it.
        out_indices: other stages, in timm's ``feature_info``; what lies behind the last one is not computed where timm
            has it in blocks.

    Raises:
        MissingExtraError: it is not one of condetr's ResNets, and timm is not installed.
        SettingsError: timm has no such architecture or stages, or cannot dilate it.
    """
    architecture = name.partition(".")[0]
    if architecture in RESNETS:
        if out_indices is not None:
            reason = f"is for backbones of timm; {architecture} is a ResNet, whose depths have a number for each stage"
            raise SettingsError(reason, item="out_indices")
        return replace(RESNETS[architecture], output_stride=output_stride)
    with torch.device("meta"):
        network = timm_features(architecture, out_indices=None, output_stride=output_stride)
        plain: Any = network
        if output_stride is not None:  # stages of dilated ones have equal strides
            plain = timm_features(architecture, out_indices=None, output_stride=None)
    stages = plain.feature_info.info
    used = used_stages(stages) if out_indices is None else out_indices
    if not used or min(used) < 0 or max(used) >= len(stages) or sorted(set(used)) != list(used):
        reason = f"is {list(used)}, expected ascending numbers of its stages, 0 to {len(stages) - 1}"
        raise SettingsError(reason, item="out_indices")
    return without_idle_options(
        network, TimmDescription(name=architecture, out_indices=used, output_stride=output_stride)
    )


def name_of(backbone: ResNetDescription | TimmDescription) -> str | None:
    """The name of its architecture; None for a ResNet that has none."""
    if isinstance(backbone, TimmDescription):
        return backbone.name
    plain = replace(backbone, output_stride=None, in_channels=3)
    return next((name for name, description in RESNETS.items() if description == plain), None)
