"""The model that a training begins with: that of a size, or the best one at hand for the task and the machine."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import NamedTuple

import torch

from condetr.bundled import DIGITS, NANO, SMALL, SMALL_MASKS, bundled_models
from condetr.checkpoints.config.config_json import split_config
from condetr.checkpoints.empty_network import skeleton_of
from condetr.checkpoints.hub import find, hub_answers, is_cached
from condetr.core.device import device_of
from condetr.core.errors import CheckpointError, SettingsError, UsageError
from condetr.core.names import Size, Task
from condetr.files.json_reading import read_json_object
from condetr.model.config import DetectorConfig, NetworkConfig
from condetr.model.resnet_names import RESNETS
from condetr.model.segmenter import ConditionalDetrSegmenter
from condetr.workflows.published import AUTHORS, COCO

OF_SIZE: Mapping[Size, str | None] = {"nano": NANO, "small": SMALL, "base": COCO, "large": None}
PREFERRED = (SMALL, NANO, DIGITS)  # of the package
WITH_MASKS: Mapping[str, str] = {SMALL: SMALL_MASKS}  # models whose mask head was trained, too


class Start(NamedTuple):
    """``model`` is a reference, or None for random weights."""

    model: str | None
    reason: str


def best_start(task: Task, device: str | torch.device) -> Start:
    """The COCO model of the hub if it is cached, or if there is a GPU and the hub answers; else one of the package.

    Raises:
        UsageError: this machine has no such device.
    """
    kind = device_of(device).type
    if is_cached(COCO):
        return Start(COCO, "the COCO model is in the cache of the hub")
    if kind == "cpu":
        reason = f"{COCO} is not in the cache, and it is large for a CPU"
    elif not hub_answers(COCO):
        reason = f"{COCO} is not in the cache, and the hub does not answer"
    else:
        try:
            find(COCO)
            return Start(COCO, f"the COCO model is on the hub, and there is a {kind} device")
        except CheckpointError as error:
            reason = f"{COCO} {error.reason}"
    bundled = bundled_models()
    for name in (for_task(preferred, task) for preferred in PREFERRED):
        if name in bundled and (task == "detect" or _can_have_masks(bundled[name])):
            return Start(name, f"it is part of condetr; {reason}")
    return Start(None, f"no model of the package can have a mask head; {reason}")


def for_task(model: str | None, task: Task) -> str | None:
    """The model, or the same with a trained mask head where there is one for the task."""
    with_masks = WITH_MASKS.get(model) if task == "instance" and model is not None else None
    return with_masks if with_masks in bundled_models() else model


def start_of_size(size: Size, task: Task = "detect") -> str:
    """The reference of its start model.

    Raises:
        UsageError: there is none.
    """
    reference = for_task(OF_SIZE[size], task)
    if reference is None:
        hint = f"--model FILE with the authors' .pth of {AUTHORS}, or --model none for random weights"
        raise UsageError(f"{size} has no start model on the hub", item="size", hint=hint)
    if reference != COCO and reference not in bundled_models():
        raise _not_bundled(size, reference)
    return reference


def network_of_size(size: Size) -> NetworkConfig:
    """For random weights.

    Raises:
        UsageError: this installation does not have its description.
    """
    if size == "base":
        return NetworkConfig()
    if size == "large":
        return NetworkConfig(backbone=replace(RESNETS["resnet101"], output_stride=16))
    reference = str(OF_SIZE[size])
    if (folder := bundled_models().get(reference)) is None:
        raise _not_bundled(size, reference)
    config = _config_in(folder)
    return NetworkConfig(**{spec.name: getattr(config, spec.name) for spec in fields(NetworkConfig)})


def _config_in(folder: Path) -> DetectorConfig:
    file = folder / "config.json"
    return split_config(read_json_object(file), file).config


def _can_have_masks(folder: Path) -> bool:
    try:
        skeleton_of(_config_in(folder), ConditionalDetrSegmenter)
    except SettingsError:  # too few heads of attention, or stages
        return False
    return True


def _not_bundled(size: Size, reference: str) -> UsageError:
    hint = f"it has {', '.join(bundled_models())}"
    return UsageError(f"{size} needs {reference}, which this installation does not have", item="size", hint=hint)
