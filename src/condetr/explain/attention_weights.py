"""The attention weights of one query, recovered from what inputs the attention; and what its halves say alone.

Conditional cross-attention adds a content score and a spatial score before one softmax (section 3.2). The softmax of
each alone is what the paper's figure 1 shows: where the query's content, and where its position, would look.
"""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from condetr.core.shapes import CellMask
from condetr.explain.capture import AttentionInputs

HeadMaps = Float[Tensor, "heads cells"]  # rows sum to one


class AttentionParts(NamedTuple):
    """Where one query looks; ``combined`` is what the network weighs its values with."""

    content: HeadMaps
    spatial: HeadMaps
    combined: HeadMaps


def attention_parts(inputs: AttentionInputs, query: int) -> AttentionParts:
    """Of a conditional cross-attention: the first half of every head is content, the second is position."""
    half = inputs.query.shape[-1] // 2
    content = _scores(inputs, query, slice(None, half))
    spatial = _scores(inputs, query, slice(half, None))
    weights = (_softmax(scores, inputs.mask) for scores in (content, spatial, content + spatial))
    return AttentionParts(*weights)


def weights_of(inputs: AttentionInputs, query: int) -> HeadMaps:
    """Of any attention."""
    return _softmax(_scores(inputs, query, slice(None)), inputs.mask)


def _scores(inputs: AttentionInputs, query: int, part: slice) -> HeadMaps:
    """All parts are on the scale of the whole, so that they add up to it."""
    map_rows, offered = inputs.query[0, :, query, part], inputs.key[0, :, :, part]
    if map_rows.itemsize < 4:  # a sum in half precision would not be one
        map_rows, offered = map_rows.float(), offered.float()
    return (offered @ map_rows[..., None])[..., 0] * inputs.query.shape[-1] ** -0.5


def _softmax(scores: HeadMaps, mask: CellMask | None) -> HeadMaps:
    return (scores if mask is None else scores.masked_fill(~mask[0], float("-inf"))).softmax(-1)
