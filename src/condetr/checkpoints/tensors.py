"""Refuses stored tensors that a network cannot compute with, by their keys."""

from collections.abc import Iterable

import torch
from torch import Tensor

from condetr.core.errors import CheckpointError

FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
SHOWN = 10  # keys named in one message


def listed(keys: Iterable[str]) -> str:
    names = [key.encode(errors="backslashreplace").decode() for key in sorted(keys)]  # some are not valid text
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def fault_of(tensor: Tensor) -> str | None:
    """Why the tensor cannot be used, without reading its values, which may be missing."""
    if tensor.is_quantized or tensor.dtype not in FLOATS:
        return f"dtype {str(tensor.dtype).removeprefix('torch.')}, expected floating point"
    if tensor.layout != torch.strided:
        return f"layout {str(tensor.layout).removeprefix('torch.')}, expected a dense tensor"
    if tensor.device.type != "cpu":
        return f"on the device {tensor.device}, without stored values"
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        return f"shape {list(tensor.shape)}, more than the values that are stored"
    return None


def is_finite(tensor: Tensor) -> bool:
    # A sum is far cheaper than a check of each value, and keeps infinity and NaN; a large finite sum may overflow.
    return bool(tensor.sum().isfinite()) or bool(tensor.isfinite().all())


def check_tensors(tensors: dict[str, Tensor], source: object) -> None:
    """Refuse tensors that are not finite, dense and floating-point.

    Raises:
        CheckpointError: lists the keys and what is wrong with them.
    """
    faults = {key: fault for key, tensor in tensors.items() if (fault := fault_of(tensor))}
    if faults:
        kinds = sorted(set(faults.values()))
        raise CheckpointError(f"cannot use {listed(faults)}: {'; '.join(kinds[:3])}", source=source)
    broken = [key for key, tensor in tensors.items() if not is_finite(tensor)]
    if broken:
        raise CheckpointError(f"not finite (NaN or infinity): {listed(broken)}", source=source)
