"""Which augmentation the settings ask for."""

from pathlib import Path
from typing import Any

from torch import nn

from condetr.core.errors import SettingsError
from condetr.core.names import AugmentationPreset
from condetr.data.augmentation.own import Augmentation, OwnAugmentation
from condetr.data.augmentation.pipeline import transforms_of
from condetr.data.augmentation.presets import augmentation_of
from condetr.images.sizes import Size
from condetr.training.settings import TrainingSettings


def augmentation_for(settings: TrainingSettings, size: Size | None, own: Augmentation | None) -> Augmentation:
    """A preset, the transforms of the settings, or ``own``, a callable of the user; none to overfit.

    Args:
        settings: of training.
        size: of images in prediction; None keeps their own.
        own: what to call where ``settings.augment`` is None.

    Raises:
        SettingsError: the transforms cannot be built, or ``own`` is missing.
    """
    augment = "none" if settings.overfit else settings.augment
    if isinstance(augment, str):
        return _preset(augment, size, settings)
    if augment is None and own is None:
        raise SettingsError(
            "is null, which stands for a callable of Python, and there is none",
            item="augment",
            hint="give it again, Detector.train(..., augment=...), or choose a preset",
        )
    assert not isinstance(augment, Path), "settings read files at once"
    transforms: list[Any] = [own] if augment is None else transforms_of(augment)
    flips = _preset("none", None, settings)
    return OwnAugmentation([flips, *transforms] if len(flips) else transforms, size)


def _preset(preset: AugmentationPreset, size: Size | None, settings: TrainingSettings) -> nn.Sequential:
    return augmentation_of(
        preset,
        size,
        flip=settings.flip,
        flip_vertical=settings.flip_vertical,
        quarter_turns=settings.quarter_turns,
        min_visibility=settings.min_visibility,
    )
