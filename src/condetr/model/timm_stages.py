"""Stages of a network of timm, as its ``feature_info`` lists them."""

from collections.abc import Sequence
from typing import Any

from torch import nn

FINEST, COARSEST = 4, 32  # pixels per cell of the first and last stage of a ResNet


def used_stages(info: Sequence[dict[str, Any]]) -> tuple[int, ...]:
    """Indices of the stages that a ResNet has, too: the last one of each stride from 4 to 32, or of any stride."""
    last = {stage["reduction"]: index for index, stage in enumerate(info)}
    return tuple(index for stride, index in last.items() if FINEST <= stride <= COARSEST) or (len(info) - 1,)


def early_parameters(network: nn.Module, info: Sequence[dict[str, Any]]) -> list[str]:
    """Names of the parameters up to the end of the first stage, in the order in which timm registers them.

    The first stage is the last one with at most 4 pixels per cell, as in a ResNet; of networks that begin with larger
    cells it is the first that is listed. Where timm's list names no such module, only the first module counts.
    """
    fine = [stage for stage in info if stage["reduction"] <= FINEST] or info[:1]
    names = wrapped_names(fine[-1]["module"])
    modules = dict(network.named_modules())
    if fine[-1]["module"] == info[-1]["module"] or modules.keys().isdisjoint(names):
        names = (next(name for name, child in network.named_children() if next(child.parameters(), None) is not None),)
    early: list[str] = []
    reached = False
    for path, module in modules.items():
        inside = any(path == name or path.startswith(f"{name}.") for name in names)
        if reached and not inside:
            break
        reached = reached or inside
        early += [f"{path}.{name}".lstrip(".") for name, _ in module.named_parameters(recurse=False)]
    return early


def wrapped_names(name: str) -> tuple[str, ...]:
    """What a module, or a tensor, of a network may be called where timm wraps it to return features."""
    return name, name.replace(".", "_", 1), f"model.{name}", f"body.{name}"
