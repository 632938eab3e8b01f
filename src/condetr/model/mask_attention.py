"""Attention maps of an object's embedding over the memory: the coarsest form of its mask (DETR, section 4.4)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from condetr.core.shapes import Memory
from condetr.model.attention import split_heads
from condetr.model.feedforward import projection

Keys = Float[Tensor, "batch heads cells width"]


class MaskAttention(nn.Module):
    """Attention without values: one map per head. All maps of an object together sum to one."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = projection(channels, channels)
        self.key = projection(channels, channels)
        for linear in (self.query, self.key):
            nn.init.zeros_(linear.bias)

    def keys(self, memory: Memory) -> Keys:
        """The keys of the cells, which all objects of an image share."""
        return split_heads(self.key(memory), self.heads)

    def forward(
        self,
        embeddings: Float[Tensor, "*images chosen channels"],
        keys: Float[Tensor, "*images heads cells width"],
        cells: Bool[Tensor, "*images cells"],
    ) -> Float[Tensor, "*images chosen heads cells"]:
        """The maps of chosen embeddings of one image, or of as many of each image; 0 on padding."""
        query = self.query(embeddings).unflatten(-1, (self.heads, -1)) * keys.shape[-1] ** -0.5
        scores = torch.einsum("...nhw,...hcw->...nhc", query, keys).masked_fill(
            ~cells[..., None, None, :], float("-inf")
        )
        return scores.flatten(-2).softmax(-1).view_as(scores)
