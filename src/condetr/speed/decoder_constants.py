"""The decoder's input-independent tensors, precomputed.

The reference points and their embedding, the projections of the object queries in every self-attention, and all of the
first layer up to its cross-attention, for its embeddings start from zeros.
"""

from typing import cast

import torch
from torch import nn

from condetr.core.shapes import CellMask, Memory, Points, Queries
from condetr.model.attention import DecoderSelfAttention, Heads, merge_heads, split_heads
from condetr.model.decoder import ConditionalDecoder, DecoderLayer, DecoderTrace
from condetr.model.detector import ConditionalDetr
from condetr.model.position import embed_points
from condetr.speed.fast_detector import FastDetector, fast_copy, has_step, replace_modules

STEP = "input-independent decoder tensors precomputed"


@torch.no_grad()
def precompute_decoder(model: ConditionalDetr | FastDetector) -> FastDetector:
    if has_step(model, STEP):
        return model
    model = fast_copy(model)
    object_queries = model.network.body.decoder.object_queries[None]
    replacements: dict[nn.Module, nn.Module] = {
        module: PrecomputedSelfAttention(module, object_queries)
        for module in model.network.body.decoder.layers[1:].modules()
        if isinstance(module, DecoderSelfAttention)
    }
    model = replace_modules(model, STEP, replacements)
    decoder = model.network.body.decoder
    return replace_modules(model, None, {decoder: PrecomputedDecoder(decoder)})


class PrecomputedDecoder(nn.Module):
    """A `ConditionalDecoder` for the usual inputs: queries start from zeros, and none is masked in its first layer."""

    object_queries: Queries
    reference_logits: Points
    reference_embedding: Queries

    def __init__(self, decoder: ConditionalDecoder) -> None:
        super().__init__()
        object_queries = decoder.object_queries[None]
        self.register_buffer("object_queries", object_queries.detach())
        self.register_buffer("reference_logits", decoder.reference_points(object_queries))
        self.register_buffer(
            "reference_embedding", embed_points(self.reference_logits.sigmoid(), object_queries.shape[-1])
        )
        first, *later = decoder.layers
        self.first = PrecomputedFirstLayer(cast("DecoderLayer", first), self.object_queries, self.reference_embedding)
        self.later = nn.ModuleList(later)
        self.spatial_scale, self.norm, self.carry_norm = decoder.spatial_scale, decoder.norm, decoder.carry_norm

    def forward(
        self, memory: Memory, grid: Memory, mask: CellMask | None, _start: None = None, query_mask: None = None
    ) -> DecoderTrace:
        object_queries = self.object_queries.expand(memory.shape[0], -1, -1)
        embeddings = self.first(memory, grid, mask)
        layer_outputs = [self.norm(embeddings)]
        for layer in self.later:
            start = layer_outputs[-1] if self.carry_norm else embeddings
            spatial_query = self.spatial_scale(start) * self.reference_embedding
            embeddings = layer(start, spatial_query, object_queries, memory, grid, mask, query_mask)
            layer_outputs.append(self.norm(embeddings))
        if self.carry_norm:  # as in transformers, normalized twice
            layer_outputs[-1] = self.norm(layer_outputs[-1])
        return DecoderTrace(tuple(layer_outputs), self.reference_logits.expand(memory.shape[0], -1, -1))


class PrecomputedSelfAttention(nn.Module):
    """A `DecoderSelfAttention` with precomputed projections of the object queries."""

    spatial_query: Queries
    spatial_key: Queries

    def __init__(self, attention: DecoderSelfAttention, object_queries: Queries) -> None:
        super().__init__()
        self.heads, self.attend = attention.heads, attention.attend
        self.content_query, self.content_key = attention.content_query, attention.content_key
        self.value, self.output = attention.value, attention.output
        self.register_buffer("spatial_query", attention.spatial_query(object_queries))
        self.register_buffer("spatial_key", attention.spatial_key(object_queries))

    def forward(self, embeddings: Queries, object_queries: Queries, mask: None) -> Queries:  # noqa: ARG002  precomputed
        query = split_heads(self.content_query(embeddings) + self.spatial_query, self.heads)
        key = split_heads(self.content_key(embeddings) + self.spatial_key, self.heads)
        value = split_heads(self.value(embeddings), self.heads)
        return self.output(merge_heads(self.attend(query, key, value, mask)))


class PrecomputedFirstLayer(nn.Module):
    """The first layer from its cross-attention on, whose queries do not depend on the image."""

    embeddings: Queries
    query: Heads

    def __init__(self, layer: DecoderLayer, object_queries: Queries, reference_embedding: Queries) -> None:
        super().__init__()
        zeros, attention = torch.zeros_like(object_queries), layer.cross_attention
        assert attention.object_query is not None, "only the first layer has this projection"
        embeddings = layer.self_attention_norm(layer.self_attention(zeros, object_queries, None))
        content = attention.content_query(embeddings) + attention.object_query(object_queries)
        spatial = attention.spatial_query(reference_embedding)
        halves = [split_heads(half, attention.heads) for half in (content, spatial)]
        self.register_buffer("embeddings", embeddings)
        self.register_buffer("query", torch.cat(halves, dim=-1))
        self.heads, self.attend = attention.heads, attention.attend
        self.content_key, self.spatial_key = attention.content_key, attention.spatial_key
        self.value, self.output = attention.value, attention.output
        self.norm, self.feedforward, self.feedforward_norm = (
            layer.cross_attention_norm,
            layer.feedforward,
            layer.feedforward_norm,
        )

    def forward(self, memory: Memory, grid: Memory, mask: CellMask | None) -> Queries:
        spatial_key = self.spatial_key(grid)
        halves = [split_heads(half, self.heads) for half in (self.content_key(memory) + spatial_key, spatial_key)]
        query, key = self.query.expand(memory.shape[0], -1, -1, -1), torch.cat(halves, dim=-1)
        attended = self.attend(query, key, split_heads(self.value(memory), self.heads), mask)
        embeddings = self.norm(self.embeddings + self.output(merge_heads(attended)))
        return self.feedforward_norm(embeddings + self.feedforward(embeddings))
