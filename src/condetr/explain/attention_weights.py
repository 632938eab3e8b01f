"""The attention weights of one query, recomputed from the inputs of the attention, and those of its two parts.

Conditional cross-attention adds a content score and a spatial score before one softmax (section 3.2). The paper's
figure 1 shows the softmax of each alone.
"""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from condetr.core.shapes import CellMask
from condetr.explain.capture import AttentionInputs

HeadMaps = Float[Tensor, "heads cells"]  # rows sum to one


class AttentionParts(NamedTuple):
    """Attention maps of one query; ``combined`` are the weights that the network uses."""

    content: HeadMaps
    spatial: HeadMaps
    combined: HeadMaps


def attention_parts(inputs: AttentionInputs, query: int) -> AttentionParts:
    """Of a conditional cross-attention: the first half of every head's channels is content, the second position."""
    half = inputs.query.shape[-1] // 2
    content = _scores(inputs, query, slice(None, half))
    spatial = _scores(inputs, query, slice(half, None))
    weights = (_softmax(scores, inputs.mask) for scores in (content, spatial, content + spatial))
    return AttentionParts(*weights)


def weights_of(inputs: AttentionInputs, query: int) -> HeadMaps:
    """The weights of any attention."""
    return _softmax(_scores(inputs, query, slice(None)), inputs.mask)


def _scores(inputs: AttentionInputs, query: int, part: slice) -> HeadMaps:
    """Scaled by the full width of a head, so that the scores of the parts add up."""
    query_part, key_part = inputs.query[0, :, query, part], inputs.key[0, :, :, part]
    if query_part.itemsize < 4:  # in half precision the scores of the parts would not add up
        query_part, key_part = query_part.float(), key_part.float()
    return (key_part @ query_part[..., None])[..., 0] * inputs.query.shape[-1] ** -0.5


def _softmax(scores: HeadMaps, mask: CellMask | None) -> HeadMaps:
    return (scores if mask is None else scores.masked_fill(~mask[0], float("-inf"))).softmax(-1)
