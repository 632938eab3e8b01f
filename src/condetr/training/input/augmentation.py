"""Which augmentation the settings ask for."""

from condetr.core.errors import SettingsError
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
    flips = {
        "flip": settings.flip,
        "flip_vertical": settings.flip_vertical,
        "quarter_turns": settings.quarter_turns,
    }
    if settings.overfit or isinstance(settings.augment, str):
        preset = "none" if settings.overfit else settings.augment
        return augmentation_of(preset, size, **flips, min_visibility=settings.min_visibility)
    if settings.augment is None and own is None:
        raise SettingsError(
            "is null, which stands for a callable of Python, and there is none",
            item="augment",
            hint="give it again, Detector.train(..., augment=...), or choose a preset",
        )
    transforms = [own] if settings.augment is None else transforms_of(settings.augment)
    before = augmentation_of("none", None, **flips)
    return OwnAugmentation([before, *transforms] if len(before) else transforms, size)
