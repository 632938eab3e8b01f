"""Numpy arrays, tensors and nested lists given as images: checked, and brought to red, green and blue in 0..255.

uint8 is the reference: the same image as whole numbers, as floats in 0..255 or as floats in 0..1 comes out
the same. What cannot be told apart is asked for, what cannot be an image is refused.
"""

import functools
import logging
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from condetr.core.errors import ImageError, UsageError
from condetr.images.resize import Planes

Array: TypeAlias = np.ndarray | Tensor | list[Any] | tuple[Any, ...]
_RGB = 3
_CHANNELS = (1, 3, 4)  # of what can be made RGB
_FORMATS = ("channels_first", "channels_last", "none")
_HARDLY_SUPPORTED = (torch.uint16, torch.uint32, torch.uint64)  # torch can hold but not compare them
_SLACK = 1e-3  # of the range: a quarter of a gray level, as resampled floats overshoot
_logger = logging.getLogger(__name__)


def image_of_array(
    array: Array,
    *,
    input_data_format: object = None,
    rescaled: bool = True,
    name: str = "array",
    channels: int = 3,
) -> Planes:
    """The image in an array of shape (height, width), (height, width, channels) or (channels, height, width).

    For three ``channels`` (RGB) one channel is gray, and four have transparency, which shows white behind it. For
    any other number the image must have just as many.

    Args:
        array: the values.
        input_data_format: "channels_first", "channels_last" or "none"; told from the shape by default.
        rescaled: whether the values will be multiplied by 1/255 later. If not, they may be of any range.
        name: what to call it in messages.
        channels: of the image that is made.

    Raises:
        ImageError: values, type or shape that are no image, or a shape that could be read in two ways.
    """
    tensor = _tensor_of(array, name)
    said = f"{str(tensor.dtype).removeprefix('torch.')} array of shape {tuple(tensor.shape)}"
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise ImageError(f"{said}: this dtype is no image; expected uint8", source=name)
    if not tensor.numel():
        raise ImageError(f"{said}: it is empty", source=name)
    if tensor.dtype in _HARDLY_SUPPORTED:
        tensor = tensor.long()
    known = _CHANNELS if channels == _RGB else (channels,)
    planes = _channels_first(tensor, input_data_format, known, said, name)
    if planes.dtype != torch.uint8:
        planes = _levels(planes, said, name) if rescaled else _finite(planes, said, name)
    if channels != _RGB:
        return planes
    return planes.expand(3, -1, -1) if len(planes) == 1 else planes if len(planes) == 3 else _over_white(planes)


def _tensor_of(array: Array, name: str) -> Tensor:
    if isinstance(array, Tensor):
        return array.detach().cpu()
    try:
        array = np.asarray(array)
    except ValueError as error:
        raise ImageError(f"a list that is no image: {error}", source=name) from None
    if array.dtype.kind not in "buifc":
        raise ImageError(f"an array of dtype {array.dtype} is no image; expected uint8", source=name)
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    readable = native.flags.writeable and min(native.strides, default=0) >= 0  # all that torch reads in place
    return torch.from_numpy(native if readable else native.copy())


def _channels_first(tensor: Tensor, given: object, known: tuple[int, ...], said: str, name: str) -> Tensor:
    order = getattr(given, "value", given)
    if order is not None and order not in _FORMATS:
        raise UsageError(f"is {order!r}, expected one of {', '.join(_FORMATS)}", item="input_data_format")
    if tensor.ndim == 2 and 1 in known:
        return tensor[None]
    if tensor.ndim != 3:
        raise ImageError(f"{said}: expected {'2 or 3' if 1 in known else 3} axes", source=name)
    first, last = tensor.shape[0] in known, tensor.shape[2] in known
    if order is None and first and last:
        reason = f"{said}: the channels may be the first axis or the last, the shape is ambiguous"
        raise ImageError(reason, source=name, hint='pass input_data_format="channels_first" or "channels_last"')
    if first and order != "channels_last":
        return tensor
    if last and order != "channels_first":
        return tensor.permute(2, 0, 1)
    where = {"channels_first": "first axis", "channels_last": "last axis"}.get(str(order), "first or last axis")
    *others, last_known = map(str, known)
    counts = f"{', '.join(others)} or {last_known}" if others else last_known
    raise ImageError(f"{said}: expected {counts} channel{'s' * (known != (1,))} as the {where}", source=name)


def _levels(planes: Tensor, said: str, name: str) -> Tensor:
    """Values in 0..255: bytes from whole numbers, float32 from floats."""
    low, high = (float(value) for value in planes.aminmax())
    unit = planes.is_floating_point() and high <= 1 + _SLACK
    slack = 0.0 if not planes.is_floating_point() else _SLACK if unit else _SLACK * 255
    if not (low >= -slack and high <= 255 + slack):  # also refuses NaN
        hint = "of values that are normalized already, turn do_rescale and do_normalize off"
        reason = f"{said}: values range from {low:g} to {high:g}, expected 0..255 or floats in 0..1"
        raise ImageError(reason, source=name, hint=hint if low < 0 else "scale it to 0..255")
    if not planes.is_floating_point():
        return planes.to(torch.uint8)
    if unit:
        _tell_once(f"{name}: floats in 0..1 are taken as rescaled already; pass do_rescale=False to say so")
    return (planes.float() * 255 if unit else planes.float()).clamp(0, 255)


def _finite(planes: Tensor, said: str, name: str) -> Tensor:
    if not planes.isfinite().all():
        raise ImageError(f"{said}: some values are not finite", source=name)
    return planes.float()


def _over_white(planes: Tensor) -> Tensor:
    colors, opacity = planes[:3], planes[3:]
    white = 1 if planes.is_floating_point() and planes.max() <= 1 else 255
    if (opacity == white).all():
        return colors
    mixed = white + (colors.float() - white) * opacity.float() / white
    return mixed if planes.is_floating_point() else mixed.round().to(planes.dtype)


@functools.cache
def _tell_once(message: str) -> None:
    _logger.warning(message)
