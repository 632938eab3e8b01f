"""An image processor's settings as attributes, each checked and converted to one form when it is set."""

import copy
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, TypeVar

from PIL import Image

from condetr.hf.processing.processor_settings import (
    OLD_SETTINGS,
    SETTINGS,
    AnnotationFormat,
    SizeDict,
    check_names,
    setting_of,
    under_new_names,
    warn_of_old_names,
)
from condetr.images.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from condetr.images.sizes import Numerics

DEFAULTS: dict[str, Any] = {
    "format": AnnotationFormat.COCO_DETECTION,
    "do_resize": True,
    "size": {"shortest_edge": 800, "longest_edge": 1333},
    "resample": Image.Resampling.BILINEAR,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": IMAGENET_MEAN,
    "image_std": IMAGENET_STD,
    "do_pad": True,
}
_OF_IMAGES = tuple(field.name for field in fields(Preprocessing) if field.name in SETTINGS)
Processor = TypeVar("Processor", bound="ProcessorAttributes")


class ProcessorAttributes:
    numerics: ClassVar[Numerics]
    format: AnnotationFormat
    do_resize: bool
    size: SizeDict
    resample: int
    do_rescale: bool
    rescale_factor: float
    do_normalize: bool
    image_mean: list[float]
    image_std: list[float]
    do_pad: bool
    do_convert_annotations: bool
    pad_size: SizeDict | None
    do_convert_rgb: bool | None
    data_format: str | None
    input_data_format: str | None
    return_tensors: str | None
    device: str | None
    disable_grouping: bool | None

    def __init__(self, *settings: Any, **named: Any) -> None:
        if len(settings) > 10:
            raise TypeError(f"{type(self).__name__} takes 10 positional settings, {len(settings)} were given")
        positional = dict(zip(SETTINGS, settings, strict=False))
        if twice := positional.keys() & named.keys():
            raise TypeError(f"{type(self).__name__} was given {', '.join(sorted(twice))} twice")
        check_names(named, (*SETTINGS, *OLD_SETTINGS), type(self).__name__)
        warn_of_old_names(named)
        values = under_new_names(positional | named, DEFAULTS["size"])
        values = {name: value for name, value in values.items() if value is not None}
        values.setdefault("do_convert_annotations", values.get("do_normalize", True))
        for name in SETTINGS:
            setattr(self, name, values.get(name, DEFAULTS.get(name)))
        self.preprocessing()  # raises now for what would fail later

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, setting_of(name, value))

    def with_settings(self: Processor, settings: Mapping[str, Any]) -> Processor:
        """A copy of the processor with other settings; None keeps the processor's own."""
        changed = copy.copy(self)
        for name, value in under_new_names(settings, self.size).items():
            if value is not None:
                setattr(changed, name, value)
        return changed

    @property
    def channels(self) -> int:
        """Channels of the images: as many as ``image_mean`` has numbers."""
        return len(self.image_mean)

    def preprocessing(self) -> Preprocessing:
        """The preprocessing with these settings."""
        return Preprocessing.from_dict({name: getattr(self, name) for name in _OF_IMAGES}, numerics=self.numerics)
