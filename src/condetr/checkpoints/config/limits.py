"""Bounds of numbers in a config.json: a damaged file must not cause huge allocations."""

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from condetr.core.errors import SettingsError
from condetr.model.config import DetectorConfig, ResNetDescription

MOST = 1_000_000  # of anything
MOST_LAYERS = 500
NUMBERS = (  # of the losses and the matching
    "class_cost", "bbox_cost", "giou_cost", "mask_loss_coefficient", "dice_loss_coefficient", "cls_loss_coefficient",
    "bbox_loss_coefficient", "giou_loss_coefficient", "focal_alpha", "init_std", "init_xavier_std",
)  # fmt: skip


def check_bounds(config: DetectorConfig) -> None:
    for spec in fields(config):
        value, most = getattr(config, spec.name), MOST_LAYERS if spec.name.endswith("_layers") else MOST
        if type(value) is int and value > most:
            raise SettingsError(f"is {value}, expected at most {most}", item=spec.name)
    if isinstance(config.backbone, ResNetDescription):
        backbone = config.backbone
        if sum(backbone.depths) > MOST_LAYERS:
            raise SettingsError(
                f"is {backbone.depths}, expected at most {MOST_LAYERS} blocks", item="backbone_config.depths"
            )
        widest = max(*backbone.widths, *backbone.stem_widths, *(backbone.inner_widths or ()), backbone.in_channels)
        if widest > MOST:
            raise SettingsError(f"has {widest} channels, expected at most {MOST}", item="backbone_config")


def check_numbers(raw: Mapping[str, Any]) -> None:
    for name in NUMBERS:
        value = raw.get(name, 0)
        if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
            raise SettingsError(f"is {value!r}, expected a number of at least 0", item=name)
