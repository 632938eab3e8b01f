"""Precision and device, by the names that transformers uses."""

from typing import Any

import torch

from condetr.core.device import accelerator
from condetr.core.errors import UsageError


def dtype_of(dtype: torch.dtype | str | None, stored: torch.dtype = torch.float32) -> torch.dtype:
    """fp32 by default; "auto" is the stored one."""
    if dtype is None or dtype == "auto":
        return stored if dtype else torch.float32
    resolved = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(resolved, torch.dtype) or not resolved.is_floating_point:
        raise UsageError(f"is {dtype!r}, expected a floating-point dtype of torch or 'auto'", item="dtype")
    return resolved


def device_of(device_map: Any) -> torch.device:
    """One device, by default the CPU; "auto" is the accelerator if there is one."""
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
