"""Scaled dot products in the operations that ONNX has, without what only PyTorch's fused kernels need.

Exported as they are, they pad all widths to one and guard against rows without any key: passes over the largest arrays
of the transformer. Each image has a cell that is not padding, so there is no such row.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condetr.model.attention import KeyMask, ScaledDotProduct


class PlainAttention(nn.Module):
    """softmax(q k / sqrt(width)) v."""

    def forward(
        self,
        query: Float[Tensor, "batch heads queries width"],
        key: Float[Tensor, "batch heads keys width"],
        value: Float[Tensor, "batch heads keys value_width"],
        mask: KeyMask | None,
    ) -> Float[Tensor, "batch heads queries value_width"]:
        scores = (query * key.shape[-1] ** -0.5) @ key.transpose(-2, -1)
        if mask is not None:
            hidden = torch.zeros(mask.shape, dtype=scores.dtype).masked_fill(~mask, float("-inf"))
            scores = scores + hidden[:, None, None, :]
        return scores.softmax(-1) @ value


def with_plain_attention(network: nn.Module) -> nn.Module:
    """Change a copy of a network in evaluation mode."""
    for name, child in network.named_children():
        if isinstance(child, ScaledDotProduct):
            setattr(network, name, PlainAttention())
        else:
            with_plain_attention(child)
    return network
