"""The three attentions of Conditional DETR.

They combine content and position differently before the same scaled dot product:
the encoder and decoder self-attentions add them, the conditional cross-attention
concatenates them, head by head, so that content is compared with content and
position with position (Meng et al. 2021, section 3.2).
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.compiler import is_compiling
from torch.nn.functional import pad, scaled_dot_product_attention

from condetr.core.shapes import CellMask, Memory, Queries, QueryMask, Weights
from condetr.model.feedforward import projection

_LEAST_WIDTH = 16  # of heads on the CPU: the fused kernel takes 270 ms for 8 heads of 8 channels, 146 for 8 of 16

Tokens = Float[Tensor, "batch tokens channels"]
Heads = Float[Tensor, "batch heads tokens width"]
KeyMask = Bool[Tensor, "batch keys"]


def split_heads(x: Tokens, heads: int) -> Float[Tensor, "batch {heads} tokens _"]:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


def merge_heads(x: Heads) -> Tokens:
    return x.transpose(1, 2).flatten(-2)


class ScaledDotProduct(nn.Module):
    """softmax(q k / sqrt(width)) v, fused. A module so that hooks can observe its inputs."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)  # for the rate and the mode

    def forward(
        self,
        query: Float[Tensor, "batch heads queries width"],
        key: Float[Tensor, "batch heads keys width"],
        value: Float[Tensor, "batch heads keys value_width"],
        mask: KeyMask | None,
    ) -> Float[Tensor, "batch heads queries value_width"]:
        allowed = None if mask is None else mask[:, None, None, :]
        dropped = self.dropout.p * self.dropout.training
        width, value_width = key.shape[-1], value.shape[-1]
        padded = max(width, _LEAST_WIDTH) if query.device.type == "cpu" and not is_compiling() else width
        # Zeros change nothing, and the fused kernels need equal widths.
        query, key, value = (
            x if x.shape[-1] == padded else pad(x, (0, padded - x.shape[-1])) for x in (query, key, value)
        )
        attended = scaled_dot_product_attention(query, key, value, allowed, dropout_p=dropped, scale=width**-0.5)
        return attended[..., :value_width]


def attention_weights(
    query: Float[Tensor, "batch heads queries width"],
    key: Float[Tensor, "batch heads keys width"],
    mask: KeyMask | None,
) -> Weights:
    """The attention weights of `ScaledDotProduct`, which the fused kernel does not return."""
    scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(~mask[:, None, None, :], float("-inf"))
    return scores.softmax(-1)


class EncoderSelfAttention(nn.Module):
    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query = projection(channels, channels, stacked=3)
        self.key = projection(channels, channels, stacked=3)
        self.value = projection(channels, channels, stacked=3)
        self.output = projection(channels, channels)
        self.attend = ScaledDotProduct(dropout)
        for linear in (self.query, self.key, self.value, self.output):
            nn.init.zeros_(linear.bias)

    def forward(self, memory: Memory, grid: Memory, mask: CellMask | None) -> Memory:
        positioned = memory + grid
        query, key = split_heads(self.query(positioned), self.heads), split_heads(self.key(positioned), self.heads)
        value = split_heads(self.value(memory), self.heads)
        return self.output(merge_heads(self.attend(query, key, value, mask)))


class DecoderSelfAttention(nn.Module):
    def __init__(self, channels: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.content_query = projection(channels, channels)
        self.spatial_query = projection(channels, channels)
        self.content_key = projection(channels, channels)
        self.spatial_key = projection(channels, channels)
        self.value = projection(channels, channels)
        self.output = projection(channels, channels)
        self.attend = ScaledDotProduct(dropout)
        nn.init.zeros_(self.output.bias)

    def forward(self, embeddings: Queries, object_queries: Queries, mask: QueryMask | None) -> Queries:
        query = split_heads(self.content_query(embeddings) + self.spatial_query(object_queries), self.heads)
        key = split_heads(self.content_key(embeddings) + self.spatial_key(object_queries), self.heads)
        value = split_heads(self.value(embeddings), self.heads)
        return self.output(merge_heads(self.attend(query, key, value, mask)))


class ConditionalCrossAttention(nn.Module):
    """Attend from queries to cells with [content; spatial] queries and keys.

    ``seeded`` is the first decoder layer: its embeddings hold nothing of the image yet, so the object
    queries (and the grid, for keys) are also added to the content half.
    """

    def __init__(self, channels: int, heads: int, dropout: float, *, seeded: bool) -> None:
        super().__init__()
        self.heads = heads
        self.content_query = projection(channels, channels)
        self.spatial_query = projection(channels, channels)
        self.object_query = projection(channels, channels) if seeded else None
        self.content_key = projection(channels, channels)
        self.spatial_key = projection(channels, channels)
        self.value = projection(channels, channels)
        self.output = projection(channels, channels)
        self.attend = ScaledDotProduct(dropout)
        nn.init.zeros_(self.output.bias)

    def forward(
        self,
        embeddings: Queries,
        spatial_query: Queries,
        object_queries: Queries,
        memory: Memory,
        grid: Memory,
        mask: CellMask | None,
    ) -> Queries:
        content_query, content_key = self.content_query(embeddings), self.content_key(memory)
        spatial_key = self.spatial_key(grid)
        if self.object_query is not None:
            content_query = content_query + self.object_query(object_queries)
            content_key = content_key + spatial_key
        query = self._concatenate(content_query, self.spatial_query(spatial_query))
        key = self._concatenate(content_key, spatial_key)
        value = split_heads(self.value(memory), self.heads)
        return self.output(merge_heads(self.attend(query, key, value, mask)))

    def _concatenate(self, content: Tokens, spatial: Tokens) -> Heads:
        return torch.cat((split_heads(content, self.heads), split_heads(spatial, self.heads)), dim=-1)
