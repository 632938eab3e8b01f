"""Weights under which nothing is neutral: fresh norms are the identity and hide bugs."""

import torch
from torch import nn


def scramble(module: nn.Module, seed: int = 0) -> nn.Module:
    """Give every parameter and statistic a value of its own, small enough to stay well spread."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if not tensor.is_floating_point():
                continue
            if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif tensor.ndim == 4:
                fan_in = tensor[0].numel()
                tensor.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
            else:
                tensor.uniform_(-0.3, 0.3, generator=generator)
    return module
