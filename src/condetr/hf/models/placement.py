"""The precision and the device that a person asks for, in the words of transformers."""

from typing import Any

import torch

from condetr.core.device import accelerator
from condetr.core.errors import UsageError


def dtype_of(given: torch.dtype | str | None, stored: torch.dtype = torch.float32) -> torch.dtype:
    """fp32 unless asked; "auto" is the stored one."""
    if given is None or given == "auto":
        return stored if given else torch.float32
    dtype = getattr(torch, given, None) if isinstance(given, str) else given
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise UsageError(f"is {given!r}, expected a floating-point dtype of torch or 'auto'", item="dtype")
    return dtype


def device_of(device_map: Any) -> torch.device:
    """One device, the CPU unless asked; "auto" is the accelerator where there is one."""
    if isinstance(device_map, dict):
        if len(set(device_map.values())) != 1:
            raise UsageError(f"is {device_map}, expected one device: condetr does not split a model", item="device_map")
        (device_map,) = set(device_map.values())
    if device_map in ("auto", "balanced", "balanced_low_0", "sequential"):
        return accelerator()
    try:
        return torch.device("cpu" if device_map is None else device_map)
    except (RuntimeError, TypeError) as error:
        raise UsageError(f"is {device_map!r}: {error}", item="device_map") from None
