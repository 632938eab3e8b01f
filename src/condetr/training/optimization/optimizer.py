"""AdamW, with a lower learning rate for the pretrained backbone than for the rest (DETR, appendix A.4)."""

from typing import Any

from torch import nn
from torch.optim import AdamW

from condetr.core.errors import SettingsError

FUSED_ON = ("cpu", "cuda", "mps")  # one pass over all weights instead of ten


def build_optimizer(
    network: nn.Module, *, lr: float, lr_backbone: float, weight_decay: float, decay_norms: bool
) -> AdamW:
    """One group per kind of trainable parameter; norms and biases have weight decay only with ``decay_norms``.

    Each group keeps its learning rate before the schedule as ``initial_lr``.

    Raises:
        SettingsError: everything is frozen.
    """
    groups: dict[tuple[bool, bool], list[Any]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            kind = "backbone." in name, decay_norms or parameter.ndim > 1
            groups.setdefault(kind, []).append((name, parameter))
    if not groups:
        raise SettingsError("every part is frozen: nothing is left to train", item="freeze")
    device = next(network.parameters()).device.type
    return AdamW(
        [
            {
                "params": parameters,
                "lr": lr_backbone if pretrained else lr,
                "initial_lr": lr_backbone if pretrained else lr,
                "weight_decay": weight_decay if decays else 0.0,
            }
            for (pretrained, decays), parameters in groups.items()
        ],
        fused=device in FUSED_ON,
    )


def scale_rates(optimizer: AdamW, scale: float) -> None:
    """Change the learning rates before the schedule."""
    for group in optimizer.param_groups:
        group["initial_lr"] *= scale


def set_rates(optimizer: AdamW, factor: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
