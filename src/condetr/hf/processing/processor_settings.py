"""The settings of an image processor: the accepted forms of each, and old names."""

import difflib
import warnings
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, StrEnum
from typing import Any, TypeAlias

import torch

from condetr.core.errors import SettingsError
from condetr.images.options import flag_of, number_of, numbers_of, resample_of, shown
from condetr.images.sizes import Edges, Size, pad_size_of, size_of

LONGEST_EDGE = 1333  # for a size that is one number, as in the authors' training
Reader: TypeAlias = Callable[[Any, str], Any]


class AnnotationFormat(StrEnum):
    """Format of the annotations of an image: COCO's lists of objects, or its panoptic segments."""

    COCO_DETECTION = "coco_detection"
    COCO_PANOPTIC = "coco_panoptic"


class SizeDict(dict[str, int]):
    """A size by key and by attribute; a missing side is None."""

    def __getattr__(self, name: str) -> int | None:
        if name in ("shortest_edge", "longest_edge", "height", "width", "max_height", "max_width"):
            return self.get(name)
        raise AttributeError(f"a size has no {name!r}")


def setting_of(name: str, value: Any) -> Any:
    """The form in which the processor stores a setting, from any accepted form.

    Raises:
        SettingsError: it is of the wrong type.
    """
    if name not in SETTINGS or value is None:
        return value
    return SETTINGS[name](value.value if isinstance(value, Enum) else value, name)


def read_size(value: Any, max_size: int | None = None) -> Size:
    """Any form of ``size``; ``max_size`` bounds the longer edge if ``value`` does not."""
    if isinstance(value, int):
        return size_of(value, longest=LONGEST_EDGE if max_size is None else max_size)
    size = size_of(_sides(value))
    open_ended = isinstance(size, Edges) and size.longest is None
    return size_of(size.to_dict(), longest=max_size) if open_ended else size


def under_new_names(old: Mapping[str, Any], size: Mapping[str, int]) -> dict[str, Any]:
    """Settings with ``max_size`` and ``pad_and_return_pixel_mask`` converted to ``size`` and ``do_pad``.

    Without a ``size`` of its own, ``max_size`` bounds the longer edge of ``size``.
    """
    settings = dict(old)
    max_size, padded = settings.pop("max_size", None), settings.pop("pad_and_return_pixel_mask", None)
    if max_size is not None:
        unbounded = {side: edge for side, edge in size.items() if side != "longest_edge"}
        settings["size"] = read_size(settings.get("size") or unbounded, max_size)
    if padded is not None:
        settings.setdefault("do_pad", padded)
    return settings


def warn_of_old_names(names: Iterable[str]) -> None:
    for old, new in OLD_SETTINGS.items():
        if old in names:
            warnings.warn(f"{old} is deprecated; use {new}", FutureWarning, stacklevel=4)


def check_names(names: Iterable[str], allowed: Iterable[str], call: str) -> None:
    """Refuse an unknown argument.

    Raises:
        TypeError: names the nearest known one.
    """
    allowed = list(allowed)
    for name in names:
        if name not in allowed:
            nearest = difflib.get_close_matches(name, allowed, n=1, cutoff=0)[0]
            raise TypeError(f"{call} has no argument {name!r}; did you mean {nearest!r}?")


def _sides(value: Any) -> Any:
    """The SizeDict of transformers 5 is no mapping, though it has keys."""
    return dict(value) if hasattr(value, "shortest_edge") and not isinstance(value, Mapping) else value


def _device_of(value: Any, name: str) -> str:
    try:
        return str(torch.device(value))
    except (RuntimeError, TypeError, ValueError) as error:
        raise SettingsError(f"is {shown(value)}: {str(error).splitlines()[0][:200]}", item=name) from None


def _one_of(*allowed: str) -> Reader:
    def read(value: Any, name: str) -> str:
        if value not in allowed:
            raise SettingsError(f"is {shown(value)}, expected one of {', '.join(allowed)}", item=name)
        return str(value)

    return read


SETTINGS: dict[str, Reader] = {  # the first ten in the order of transformers 4's positional arguments
    "format": lambda value, name: AnnotationFormat(_one_of(*AnnotationFormat)(value, name)),
    "do_resize": flag_of,
    "size": lambda value, _: SizeDict(read_size(value).to_dict()),
    "resample": lambda value, _: int(resample_of(value)),
    "do_rescale": flag_of,
    "rescale_factor": number_of,
    "do_normalize": flag_of,
    "image_mean": lambda value, name: list(numbers_of(value, name)),
    "image_std": lambda value, name: list(numbers_of(value, name)),
    "do_pad": flag_of,
    "do_convert_annotations": flag_of,
    "pad_size": lambda value, name: SizeDict(pad_size_of(_sides(value), name).to_dict()),
    "do_convert_rgb": flag_of,
    "data_format": _one_of("channels_first", "channels_last"),
    "input_data_format": _one_of("channels_first", "channels_last", "none"),
    "return_tensors": _one_of("pt", "np"),
    "device": _device_of,
    "disable_grouping": flag_of,
}
OLD_SETTINGS = {"max_size": 'size["longest_edge"]', "pad_and_return_pixel_mask": "do_pad"}
