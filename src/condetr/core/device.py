"""The device to compute on."""

import torch

from condetr.core.errors import UsageError


def device_of(device: str | torch.device) -> torch.device:
    """The device of this name; for "auto" the fastest of `devices`.

    Raises:
        UsageError: this machine has no such device.
    """
    if device == "auto":
        best = accelerator()
        return best if best.type in ("cuda", "mps") else torch.device("cpu")
    try:
        named = torch.device(device)
    except RuntimeError:
        raise _no_device(device, "is not the name of a device") from None
    present = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(_has_mps())}.get(named.type, 0)
    if (named.index or 0) >= present:
        raise _no_device(device, "is not available on this machine")
    return named


def accelerator() -> torch.device:
    """The accelerator of this machine, of any kind that torch supports; else the CPU."""
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def devices() -> list[str]:
    """Every device that `device_of` accepts, fastest first."""
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [*cuda, *(["mps"] if _has_mps() else []), "cpu"]


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def _no_device(device: object, reason: str) -> UsageError:
    return UsageError(f"{str(device)!r} {reason}; expected auto, {', '.join(devices())}", item="device")
