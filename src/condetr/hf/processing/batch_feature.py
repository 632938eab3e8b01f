"""The output of an image processor: a mapping with attribute access that can be moved to a device."""

from collections import UserDict
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from condetr.core.errors import UsageError


class BatchFeature(UserDict[str, Any]):
    """``features["pixel_values"]``, ``features.pixel_values`` and ``model(**features)`` give the same values.

    Args:
        data: the values by name.
        tensor_type: ``"pt"`` makes every array, and every list of arrays of one shape, a tensor; ``"np"`` an
            array; ``None`` leaves them as they are.
        skip_tensor_conversion: names of values that are never converted.
    """

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        tensor_type: str | None = None,
        skip_tensor_conversion: Collection[str] | None = None,
    ) -> None:
        super().__init__(data or {})
        self.convert_to_tensors(tensor_type, skip_tensor_conversion)

    def __getattr__(self, name: str) -> Any:
        data = vars(self).get("data", {})  # missing while a copy is being unpickled
        if name not in data:
            raise AttributeError(f"this BatchFeature has no {name!r}, only {', '.join(data) or 'nothing at all'}")
        return data[name]

    def convert_to_tensors(
        self, tensor_type: str | None = None, skip_tensor_conversion: Collection[str] | None = None
    ) -> "BatchFeature":
        if tensor_type is not None:
            skipped = skip_tensor_conversion or ()
            self.data = {
                name: value if name in skipped else converted(value, tensor_type, name)
                for name, value in self.data.items()
            }
        return self

    def to(
        self,
        device: torch.device | torch.dtype | str | int | None = None,
        dtype: torch.dtype | None = None,
        *,
        non_blocking: bool = False,
    ) -> "BatchFeature":
        """Move every tensor to ``device``, those of the labels too, and cast floating-point images to ``dtype``.

        Labels keep their precision: in half precision a box of a large image is a pixel off.
        """
        if isinstance(device, torch.dtype):
            device, dtype = None, device
        target: dict[str, Any] = {"device": device, "non_blocking": non_blocking}
        self.data = {
            name: moved(value, **target, dtype=None if name == "labels" else dtype) for name, value in self.data.items()
        }
        return self


def converted(value: Any, tensor_type: str, name: str) -> Any:
    """``value`` as one tensor (``"pt"``) or array (``"np"``); what is not an array (text, a mapping) stays."""
    if tensor_type not in {"pt", "np"}:
        raise UsageError(
            f"is {tensor_type!r}, an unknown tensor type", item="return_tensors", hint='use "pt", "np" or None'
        )
    if isinstance(value, list | tuple) and value and isinstance(value[0], Tensor | np.ndarray):
        shapes = [tuple(part.shape) for part in value]
        if len(set(shapes)) > 1:
            raise UsageError(
                f"arrays of different shapes cannot become one tensor: {', '.join(map(str, shapes))}",
                item=name,
                hint="pad them (do_pad=True), resize them to one height and width, or use return_tensors=None",
            )
        value = (
            np.stack([np.asarray(part) for part in value])
            if tensor_type == "np"
            else torch.stack([torch.as_tensor(part) for part in value])
        )
    elif not is_numeric(value):
        return value
    return torch.as_tensor(value) if tensor_type == "pt" else np.asarray(value)


def is_numeric(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(is_numeric(part) for part in value)
    return isinstance(value, Tensor | np.ndarray | np.generic | int | float)


def moved(value: Any, *, device: Any, dtype: torch.dtype | None, non_blocking: bool) -> Any:
    """``value`` with every tensor inside it on ``device``, and floating-point tensors in ``dtype``."""
    options: dict[str, Any] = {"device": device, "dtype": dtype, "non_blocking": non_blocking}
    if isinstance(value, Tensor):
        return value.to(**options | {"dtype": dtype if value.is_floating_point() else None})
    if isinstance(value, list | tuple):
        return type(value)(moved(part, **options) for part in value)
    if isinstance(value, Mapping):
        return type(value)({name: moved(part, **options) for name, part in value.items()})  # type: ignore[call-arg]
    return value
