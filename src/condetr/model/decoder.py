"""The conditional decoder: where each query attends depends on its embedding so far.

    reference point   s    = FFN(object query)          fixed through the layers
    spatial query     p_q  = T(f) * sine(sigmoid(s))    T(f) = FFN(decoder embedding)

T is 1 in the first layer, whose embeddings hold nothing of the image yet.
"""

from typing import NamedTuple

import torch
from torch import nn

from condetr.core.shapes import CellMask, Memory, Points, Queries, QueryMask
from condetr.model.attention import ConditionalCrossAttention, DecoderSelfAttention
from condetr.model.config import DetectorConfig
from condetr.model.feedforward import FeedForward, LayerDrop, Perceptron
from condetr.model.position import embed_points


class DecoderTrace(NamedTuple):
    """Normalized output of every layer, last layer last, and the points that they share, before the sigmoid."""

    embeddings: tuple[Queries, ...]
    reference_logits: Points


class DecoderLayer(nn.Module):
    def __init__(self, config: DetectorConfig, *, seeded: bool) -> None:
        super().__init__()
        channels, heads = config.d_model, config.decoder_attention_heads
        self.self_attention = DecoderSelfAttention(channels, heads, config.attention_dropout)
        self.self_attention_norm = nn.LayerNorm(channels)
        self.cross_attention = ConditionalCrossAttention(channels, heads, config.attention_dropout, seeded=seeded)
        self.cross_attention_norm = nn.LayerNorm(channels)
        self.feedforward = FeedForward(
            channels, config.decoder_ffn_dim, config.activation_function, config.activation_dropout
        )
        self.feedforward_norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        embeddings: Queries,
        spatial_query: Queries,
        object_queries: Queries,
        memory: Memory,
        grid: Memory,
        mask: CellMask | None,
        query_mask: QueryMask | None,
    ) -> Queries:
        attended = self.self_attention(embeddings, object_queries, query_mask)
        embeddings = self.self_attention_norm(embeddings + self.dropout(attended))
        attended = self.cross_attention(embeddings, spatial_query, object_queries, memory, grid, mask)
        embeddings = self.cross_attention_norm(embeddings + self.dropout(attended))
        return self.feedforward_norm(embeddings + self.dropout(self.feedforward(embeddings)))


class ConditionalDecoder(nn.Module):
    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        channels = config.d_model
        self.carry_norm = config.carry_norm
        self.object_queries = nn.Parameter(torch.randn(config.num_queries, channels))
        self.reference_points = Perceptron(channels, channels, 2)
        self.spatial_scale = Perceptron(channels, channels, channels)
        self.layers = nn.ModuleList(DecoderLayer(config, seeded=i == 0) for i in range(config.decoder_layers))
        self.norm = nn.LayerNorm(channels)
        self.skip = LayerDrop(config.decoder_layerdrop)

    def forward(
        self,
        memory: Memory,
        grid: Memory,
        mask: CellMask | None,
        embeddings: Queries | None = None,
        query_mask: QueryMask | None = None,
    ) -> DecoderTrace:
        """Decode from zeros, or from ``embeddings``; ``query_mask`` is False on queries hidden from the others."""
        object_queries = self.object_queries.expand(memory.shape[0], -1, -1)
        reference_logits = self.reference_points(object_queries)
        reference_embedding = embed_points(reference_logits.sigmoid(), memory.shape[-1])

        embeddings = torch.zeros_like(object_queries) if embeddings is None else embeddings
        layer_outputs = []
        for number, layer in enumerate(self.layers):
            if self.skip():
                continue
            spatial_query = reference_embedding if number == 0 else self.spatial_scale(embeddings) * reference_embedding
            embeddings = layer(embeddings, spatial_query, object_queries, memory, grid, mask, query_mask)
            layer_outputs.append(self.norm(embeddings))
            if self.carry_norm:
                embeddings = layer_outputs[-1]
        # The last output is the norm of what leaves the loop. Two cases need it computed here: with carry_norm, where
        # transformers normalizes the last layer twice; and if layer drop skipped every layer, where it is the only one.
        if self.carry_norm or not layer_outputs:
            layer_outputs[-1:] = [self.norm(embeddings)]
        return DecoderTrace(tuple(layer_outputs), reference_logits)
