"""The attention weights of one query, recovered from what entered the attention; and what its halves say alone.

Conditional cross-attention adds a content score and a spatial score before one softmax (section 3.2). The softmax of
each alone is what the paper's figure 1 shows: where the query's content, and where its position, would look.
"""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from condetr.core.shapes import CellMask
from condetr.explain.capture import AttentionInputs

HeadMaps = Float[Tensor, "heads cells"]  # rows sum to one


class Halves(NamedTuple):
    """Where one query looks; ``combined`` is what the network weighs its values with."""

    content: HeadMaps
    spatial: HeadMaps
    combined: HeadMaps


def attention_parts(entered: AttentionInputs, query: int) -> Halves:
    """Of a conditional cross-attention: the first half of every head is content, the second is position."""
    half = entered.query.shape[-1] // 2
    content = _scores(entered, query, slice(None, half))
    spatial = _scores(entered, query, slice(half, None))
    weights = (_softmax(scores, entered.mask) for scores in (content, spatial, content + spatial))
    return Halves(*weights)


def weights_of(entered: AttentionInputs, query: int) -> HeadMaps:
    """Of any attention."""
    return _softmax(_scores(entered, query, slice(None)), entered.mask)


def _scores(entered: AttentionInputs, query: int, part: slice) -> HeadMaps:
    """All parts are on the scale of the whole, so that they add up to it."""
    asked, offered = entered.query[0, :, query, part], entered.key[0, :, :, part]
    if asked.itemsize < 4:  # a sum in half precision would not be one
        asked, offered = asked.float(), offered.float()
    return (offered @ asked[..., None])[..., 0] * entered.query.shape[-1] ** -0.5


def _softmax(scores: HeadMaps, mask: CellMask | None) -> HeadMaps:
    return (scores if mask is None else scores.masked_fill(~mask[0], float("-inf"))).softmax(-1)
