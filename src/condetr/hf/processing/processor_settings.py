"""The settings of an image processor: the forms that each may be given in, and the old names of some."""

import difflib
import warnings
from collections.abc import Callable, Iterable, Mapping
from enum import Enum, StrEnum
from typing import Any, TypeAlias

import torch

from condetr.core.errors import SettingsError
from condetr.images.options import flag_of, number_of, numbers_of, resample_of, shown
from condetr.images.sizes import Edges, Size, pad_size_of, size_of

LONGEST_EDGE = 1333  # of a size that is one number, as the authors train
Reader: TypeAlias = Callable[[Any, str], Any]


class AnnotationFormat(StrEnum):
    """How the annotations of an image are written: COCO's lists of objects, or its panoptic segments."""

    COCO_DETECTION = "coco_detection"
    COCO_PANOPTIC = "coco_panoptic"


class SizeDict(dict[str, int]):
    """A size by key and by attribute; a side that it does not speak of is None."""

    def __getattr__(self, name: str) -> int | None:
        if name in ("shortest_edge", "longest_edge", "height", "width", "max_height", "max_width"):
            return self.get(name)
        raise AttributeError(f"a size has no {name!r}")


def setting_of(name: str, given: Any) -> Any:
    """The one form in which the processor keeps a setting, whichever it was given in.

    Raises:
        SettingsError: it is of the wrong kind.
    """
    if name not in SETTINGS or given is None:
        return given
    return SETTINGS[name](given.value if isinstance(given, Enum) else given, name)


def read_size(given: Any, max_size: int | None = None) -> Size:
    """Any form of ``size``; ``max_size`` bounds the longer edge where ``given`` does not."""
    if isinstance(given, int):
        return size_of(given, longest=LONGEST_EDGE if max_size is None else max_size)
    size = size_of(_sides(given))
    open_ended = isinstance(size, Edges) and size.longest is None
    return size_of(size.to_dict(), longest=max_size) if open_ended else size


def under_new_names(given: Mapping[str, Any], size: Mapping[str, int]) -> dict[str, Any]:
    """Settings in which ``max_size`` and ``pad_and_return_pixel_mask`` have become ``size`` and ``do_pad``.

    Without a ``size`` of its own, ``max_size`` bounds the longer edge of ``size``.
    """
    settings = dict(given)
    max_size, padded = settings.pop("max_size", None), settings.pop("pad_and_return_pixel_mask", None)
    if max_size is not None:
        unbounded = {side: edge for side, edge in size.items() if side != "longest_edge"}
        settings["size"] = read_size(settings.get("size") or unbounded, max_size)
    if padded is not None:
        settings.setdefault("do_pad", padded)
    return settings


def warn_of_old_names(given: Iterable[str]) -> None:
    for old, new in OLD_SETTINGS.items():
        if old in given:
            warnings.warn(f"{old} is deprecated; use {new}", FutureWarning, stacklevel=4)


def check_names(given: Iterable[str], known: Iterable[str], call: str) -> None:
    """Refuse an argument that does not exist.

    Raises:
        TypeError: names the nearest that does.
    """
    known = list(known)
    for name in given:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1, cutoff=0)[0]
            raise TypeError(f"{call} has no argument {name!r}; the nearest that it has is {nearest!r}")


def _sides(given: Any) -> Any:
    """The SizeDict of transformers 5 is no mapping, though it has keys."""
    return dict(given) if hasattr(given, "shortest_edge") and not isinstance(given, Mapping) else given


def _device_of(given: Any, name: str) -> str:
    try:
        return str(torch.device(given))
    except (RuntimeError, TypeError, ValueError) as error:
        raise SettingsError(f"is {shown(given)}: {str(error).splitlines()[0][:200]}", item=name) from None


def _one_of(*known: str) -> Reader:
    def read(given: Any, name: str) -> str:
        if given not in known:
            raise SettingsError(f"is {shown(given)}, expected one of {', '.join(known)}", item=name)
        return str(given)

    return read


SETTINGS: dict[str, Reader] = {  # the first ten in the order in which transformers 4 takes them by place
    "format": lambda given, name: AnnotationFormat(_one_of(*AnnotationFormat)(given, name)),
    "do_resize": flag_of,
    "size": lambda given, _: SizeDict(read_size(given).to_dict()),
    "resample": lambda given, _: int(resample_of(given)),
    "do_rescale": flag_of,
    "rescale_factor": number_of,
    "do_normalize": flag_of,
    "image_mean": lambda given, name: list(numbers_of(given, name)),
    "image_std": lambda given, name: list(numbers_of(given, name)),
    "do_pad": flag_of,
    "do_convert_annotations": flag_of,
    "pad_size": lambda given, name: SizeDict(pad_size_of(_sides(given), name).to_dict()),
    "do_convert_rgb": flag_of,
    "data_format": _one_of("channels_first", "channels_last"),
    "input_data_format": _one_of("channels_first", "channels_last", "none"),
    "return_tensors": _one_of("pt", "np"),
    "device": lambda given, name: _device_of(given, name),
    "disable_grouping": flag_of,
}
OLD_SETTINGS = {"max_size": 'size["longest_edge"]', "pad_and_return_pixel_mask": "do_pad"}
