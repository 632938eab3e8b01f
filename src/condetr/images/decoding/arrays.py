"""NumPy arrays, tensors and nested lists as images: checked, and converted to RGB in 0..255.

uint8 is the reference: the same image as integers, as floats in 0..255 or as floats in 0..1 gives the same
result. Ambiguous shapes need ``input_data_format``; values that cannot be an image are refused.
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
_CHANNELS = (1, 3, 4)  # that can be converted to RGB
_FORMATS = ("channels_first", "channels_last", "none")
_HARDLY_SUPPORTED = (torch.uint16, torch.uint32, torch.uint64)  # torch cannot compare them
_SLACK = 1e-3  # of the range, a quarter of a gray level: resampled floats overshoot
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

    For three ``channels`` (RGB), one channel is gray, and four are RGBA, blended with white. For any other number
    the image must have exactly that many.

    Args:
        array: the values.
        input_data_format: "channels_first", "channels_last" or "none"; derived from the shape by default.
        rescaled: whether the values will be multiplied by 1/255 later. If not, they may have any range.
        name: for messages.
        channels: of the result.

    Raises:
        ImageError: values, dtype or shape are not an image, or the shape is ambiguous.
    """
    tensor = _tensor_of(array, name)
    description = f"{str(tensor.dtype).removeprefix('torch.')} array of shape {tuple(tensor.shape)}"
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise ImageError(f"{description}: this dtype is not an image; expected uint8", source=name)
    if not tensor.numel():
        raise ImageError(f"{description}: it is empty", source=name)
    if tensor.dtype in _HARDLY_SUPPORTED:
        tensor = tensor.long()
    accepted = _CHANNELS if channels == _RGB else (channels,)
    planes = _channels_first(tensor, input_data_format, accepted, description, name)
    if planes.dtype != torch.uint8:
        planes = _levels(planes, description, name) if rescaled else _finite(planes, description, name)
    if channels != _RGB:
        return planes
    return planes.expand(3, -1, -1) if len(planes) == 1 else planes if len(planes) == 3 else _over_white(planes)


def _tensor_of(array: Array, name: str) -> Tensor:
    if isinstance(array, Tensor):
        return array.detach().cpu()
    try:
        array = np.asarray(array)
    except ValueError as error:
        raise ImageError(f"this list is not an image: {error}", source=name) from None
    if array.dtype.kind not in "buifc":
        raise ImageError(f"an array of dtype {array.dtype} is not an image; expected uint8", source=name)
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    readable = native.flags.writeable and min(native.strides, default=0) >= 0  # otherwise torch cannot read it in place
    return torch.from_numpy(native if readable else native.copy())


def _channels_first(
    tensor: Tensor, data_format: object, accepted: tuple[int, ...], description: str, name: str
) -> Tensor:
    order = getattr(data_format, "value", data_format)
    if order is not None and order not in _FORMATS:
        raise UsageError(f"is {order!r}, expected one of {', '.join(_FORMATS)}", item="input_data_format")
    if tensor.ndim == 2 and 1 in accepted:
        return tensor[None]
    if tensor.ndim != 3:
        raise ImageError(f"{description}: expected {'2 or 3' if 1 in accepted else 3} axes", source=name)
    first, last = tensor.shape[0] in accepted, tensor.shape[2] in accepted
    if order is None and first and last:
        reason = f"{description}: the shape is ambiguous: the channels may be the first axis or the last"
        raise ImageError(reason, source=name, hint='pass input_data_format="channels_first" or "channels_last"')
    if first and order != "channels_last":
        return tensor
    if last and order != "channels_first":
        return tensor.permute(2, 0, 1)
    where = {"channels_first": "first axis", "channels_last": "last axis"}.get(str(order), "first or last axis")
    *others, largest = map(str, accepted)
    counts = f"{', '.join(others)} or {largest}" if others else largest
    raise ImageError(f"{description}: expected {counts} channel{'s' * (accepted != (1,))} as the {where}", source=name)


def _levels(planes: Tensor, description: str, name: str) -> Tensor:
    """Values in 0..255: bytes from integers, float32 from floats."""
    low, high = (float(value) for value in planes.aminmax())
    unit = planes.is_floating_point() and high <= 1 + _SLACK
    slack = 0.0 if not planes.is_floating_point() else _SLACK if unit else _SLACK * 255
    if not (low >= -slack and high <= 255 + slack):  # also refuses NaN
        hint = "if they are normalized already, turn do_rescale and do_normalize off"
        reason = f"{description}: values range from {low:g} to {high:g}, expected 0..255 or floats in 0..1"
        raise ImageError(reason, source=name, hint=hint if low < 0 else "scale it to 0..255")
    if not planes.is_floating_point():
        return planes.to(torch.uint8)
    if unit:
        _warn_once(f"{name}: floats in 0..1 are taken as already rescaled; pass do_rescale=False to confirm")
    return (planes.float() * 255 if unit else planes.float()).clamp(0, 255)


def _finite(planes: Tensor, description: str, name: str) -> Tensor:
    if not planes.isfinite().all():
        raise ImageError(f"{description}: some values are not finite", source=name)
    return planes.float()


def _over_white(planes: Tensor) -> Tensor:
    colors, opacity = planes[:3], planes[3:]
    white = 1 if planes.is_floating_point() and planes.max() <= 1 else 255
    if (opacity == white).all():
        return colors
    mixed = white + (colors.float() - white) * opacity.float() / white
    return mixed if planes.is_floating_point() else mixed.round().to(planes.dtype)


@functools.cache
def _warn_once(message: str) -> None:
    _logger.warning(message)
