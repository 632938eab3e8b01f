"""Preprocessing of a decoded image for the network, as configured by ``preprocessor_config.json``."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from condetr.core.errors import CondetrError, SettingsError, UsageError
from condetr.core.out_of_memory import memory_for
from condetr.images.batch import Batch, Scale, dtype_of, padded
from condetr.images.options import check_positive, flag_of, number_of, numbers_of, resample_of, shown
from condetr.images.resize import Planes, UprightImage, mode_of, planes_of, resize, size_of_image
from condetr.images.sizes import Edges, Exactly, HeightWidth, Numerics, Size, pad_size_of, size_of

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """The documented options of the image processor, checked on construction.

    Attributes:
        numerics: resampling and rounding of torchvision or PIL; see ``sizes`` and ``resize``.
        carried: further keys of the file; written back by ``to_dict``.
    """

    do_resize: bool = True
    size: Size = field(default=Edges(800, 1333))
    resample: Image.Resampling = Image.Resampling.BILINEAR
    do_rescale: bool = True
    rescale_factor: float = 1 / 255
    do_normalize: bool = True
    image_mean: tuple[float, ...] = IMAGENET_MEAN
    image_std: tuple[float, ...] = IMAGENET_STD
    do_pad: bool = True
    pad_size: Exactly | None = None
    numerics: Numerics = "torchvision"
    carried: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.numerics == "torchvision":
            mode_of(self.resample)
        _check_numbers(self.image_mean, "image_mean", positive=False)
        _check_numbers(self.image_std, "image_std", positive=True)
        if len(self.image_mean) != len(self.image_std):
            wrong, other = ("image_mean", "image_std") if len(self.image_std) == 3 else ("image_std", "image_mean")
            values, count = shown(list(getattr(self, wrong))), len(getattr(self, other))
            reason = f"is {values}, expected {count} numbers, one per channel, like {other}"
            raise SettingsError(reason, item=wrong)
        check_positive((self.rescale_factor,), "rescale_factor")

    @classmethod
    def from_dict(cls, settings: Any, *, numerics: Numerics = "torchvision", source: object = None) -> "Preprocessing":
        """Read a config of transformers 4 or 5, with the old names ``max_size`` and ``pad_and_return_pixel_mask``.

        Raises:
            SettingsError: an invalid value; names its key and ``source``.
        """
        if not isinstance(settings, Mapping):
            raise SettingsError(f"is {type(settings).__name__}, expected an object with settings", source=source)
        try:
            return cls._from_dict(settings, numerics)
        except CondetrError as error:
            raise error.at(source=source, kind=SettingsError) from None

    @classmethod
    def _from_dict(cls, settings: Mapping[str, Any], numerics: Numerics) -> "Preprocessing":
        options = {name: value for name, value in settings.items() if value is not None}
        longest = options.pop("max_size", 1333 if isinstance(options.get("size"), int) else None)
        if "pad_and_return_pixel_mask" in options:
            options.setdefault("do_pad", options.pop("pad_and_return_pixel_mask"))
        checked = {name: check(options[name], name) for name, check in _CHECKS.items() if name in options}
        if "size" in options:
            checked["size"] = size_of(options["size"], longest=longest)
        names = {option.name for option in fields(cls)}
        carried = {name: value for name, value in options.items() if name not in names}
        return cls(**checked, numerics=numerics, carried=carried)

    def to_dict(self) -> dict[str, Any]:
        """A ``preprocessor_config.json`` that transformers 4.34 and 5 load."""
        pad_size = {} if self.pad_size is None else {"pad_size": self.pad_size.to_dict()}
        return {
            "image_processor_type": "ConditionalDetrImageProcessor",
            "format": "coco_detection",
            **self.carried,
            "do_resize": self.do_resize,
            "size": self.size.to_dict(),
            "resample": int(self.resample),
            "do_rescale": self.do_rescale,
            "rescale_factor": self.rescale_factor,
            "do_normalize": self.do_normalize,
            "image_mean": list(self.image_mean),
            "image_std": list(self.image_std),
            "do_pad": self.do_pad,
            **pad_size,
        }

    @property
    def channels(self) -> int:
        """Channels of the images, as many as ``image_mean`` has numbers; three are RGB."""
        return len(self.image_mean)

    def fit(self, image: HeightWidth) -> HeightWidth:
        """The (height, width) that an image of this size is resized to, before padding."""
        return self.size.fit(image, self.numerics) if self.do_resize else image

    def prepare(self, images: Sequence[UprightImage]) -> Batch:
        """Resize, scale and normalize images, and pad them together.

        Raises:
            UsageError: there is no image.
            SettingsError: their sizes differ and ``do_pad`` is off.
            DataError: one is larger than ``pad_size``.
            ModelError: not enough memory.
        """
        if not images:
            raise UsageError("no image was given", item="images")
        with _memory_for(len(images)):
            return self._prepare(images)

    def _prepare(self, images: Sequence[UprightImage]) -> Batch:
        resized = [self._resized(image) for image in images]
        sizes = tuple((planes.shape[1], planes.shape[2]) for planes in resized)
        if not self.do_pad and len(set(sizes)) > 1:
            reason = f"is off, so all images must be resized to one size, not {', '.join(map(str, sizes))}"
            raise SettingsError(reason, item="do_pad", hint="turn it on, or pass one image at a time")
        frame = (self.pad_size.height, self.pad_size.width) if self.do_pad and self.pad_size else None
        pixels, mask = padded(resized, self._scale(), frame)
        return Batch(pixels, mask, tuple(size_of_image(image) for image in images), sizes)

    def prepare_each(self, images: Iterable[UprightImage]) -> list[Planes]:
        """The same without padding: one tensor per image, each at its own size."""
        scale, prepared = self._scale(), []
        for image in images:
            with _memory_for(1):
                planes = self._resized(image)
                prepared.append(torch.empty(planes.shape, dtype=dtype_of([planes], scale)))
                scale.write(planes, prepared[-1])
        return prepared

    def _resized(self, image: UprightImage) -> Planes:
        channels = 3 if isinstance(image, Image.Image) else len(image)
        if channels != self.channels:
            raise SettingsError(f"has {self.channels} numbers, but an image has {channels} channels", item="image_mean")
        size = size_of_image(image)
        target = self.fit(size)
        if target == size:
            return planes_of(image)
        return resize(image, target, self.resample, self.numerics)

    def _scale(self) -> Scale:
        if not self.do_normalize:
            return Scale(factor=self.rescale_factor if self.do_rescale else None)
        mean, std = _channels(self.image_mean), _channels(self.image_std)
        if not self.do_rescale:
            return Scale(shift=mean, divisor=std)
        levels = 1 / self.rescale_factor  # both steps at once: mean and std in units of pixel levels
        return Scale(shift=mean * levels, divisor=std * levels)


_CHECKS: Mapping[str, Callable[[object, str], Any]] = {
    "do_resize": flag_of,
    "do_rescale": flag_of,
    "do_normalize": flag_of,
    "do_pad": flag_of,
    "resample": resample_of,
    "rescale_factor": number_of,
    "image_mean": numbers_of,
    "image_std": numbers_of,
    "pad_size": pad_size_of,
}


def _check_numbers(numbers: Sequence[float], name: str, *, positive: bool) -> None:
    usable = numbers_of(list(numbers), name)
    if not usable:
        raise SettingsError("is empty, expected one number per channel", item=name)
    if positive:
        check_positive(usable, name)


def _memory_for(images: int) -> AbstractContextManager[None]:
    return memory_for(f"preparing {images} images", hint="lower the batch, or size and pad_size of the preprocessing")


def _channels(numbers: Sequence[float]) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float32)[:, None, None]
