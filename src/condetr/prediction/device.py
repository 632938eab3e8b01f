"""Where to compute."""

import torch

from condetr.core.errors import UsageError


def device_of(wanted: str | torch.device) -> torch.device:
    """The device called ``wanted``; of "auto", the fastest there is.

    Raises:
        UsageError: there is no such device here.
    """
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if _has_mps() else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise _no_device(wanted, "is not the name of a device") from None
    present = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(_has_mps())}.get(device.type, 0)
    if (device.index or 0) >= present:
        raise _no_device(wanted, "is not available here")
    return device


def devices() -> list[str]:
    """Every device that ``device_of`` takes, fastest first."""
    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [*cuda, *(["mps"] if _has_mps() else []), "cpu"]


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def _no_device(wanted: object, reason: str) -> UsageError:
    return UsageError(f"{str(wanted)!r} {reason}; expected auto, {', '.join(devices())}", item="device")
