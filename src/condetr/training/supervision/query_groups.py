"""Additional groups of queries, which are trained beside the model's own and dropped afterwards.

Group DETR (Chen et al. 2023): several groups are matched to the objects separately, each one to one. H-DETR (Jia et al.
2023): one more group is matched to several repetitions of each object, one to many. Both live here, outside of the
network, which runs on all queries as if it had more. Only the decoder's self-attention must not mix the groups; all
other layers treat each query independently anyway.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call

from condetr.core.shapes import PixelMask, Pixels, Queries
from condetr.model.detector import ConditionalDetr
from condetr.model.transformer import Trace


class QueryGroups(nn.Module):
    """The additional queries. Until `release`, queries attend only to those of their own group.

    Attributes:
        size: queries of a group, as many as the model has.
    """

    def __init__(self, detector: ConditionalDetr, one_to_one: int, *, one_to_many: bool = False) -> None:
        """``one_to_one`` groups, the first of them the model's own; the one-to-many group begins as a copy of it."""
        super().__init__()
        kept = detector.body.decoder.object_queries
        self.size, self._one_to_one = len(kept), one_to_one * len(kept)
        self._present = 1  # groups in the current forward pass; 1 while evaluating
        fresh = torch.randn((one_to_one - 1) * self.size, kept.shape[1], device=kept.device)
        self.extra = nn.Parameter(torch.cat((fresh, kept.detach())) if one_to_many else fresh)
        attentions = [layer.get_submodule("self_attention") for layer in detector.body.decoder.layers]
        self._hooks = [attention.register_forward_pre_hook(self._split_groups) for attention in attentions]
        self._hooks += [attention.register_forward_hook(self._join_groups) for attention in attentions]

    def trace(self, detector: ConditionalDetr, pixels: Pixels, mask: PixelMask | None) -> Trace:
        """The trace of the detector with the queries of all groups, one group after the other."""
        queries = torch.cat((detector.body.decoder.object_queries, self.extra))
        return functional_call(detector.body, {"decoder.object_queries": queries}, (pixels, mask))

    def one_to_one(self, trace: Trace) -> Trace:
        """The trace of the groups that are matched one to one."""
        return _of_queries(trace, slice(self._one_to_one))

    def one_to_many(self, trace: Trace) -> Trace:
        """The trace of the group that is matched one to many."""
        return _of_queries(trace, slice(self._one_to_one, None))

    def separate(self, of_queries: Queries) -> Float[Tensor, "groups_of_batch queries_of_group channels"]:
        """Each group as a separate image."""
        return of_queries.unflatten(1, (-1, self.size)).flatten(0, 1)

    def release(self) -> None:
        for hook in self._hooks:
            hook.remove()

    def _split_groups(self, _: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        embeddings, object_queries, mask = inputs
        if mask is not None:  # other queries, which are one group
            self._present = 1
            return inputs
        self._present = embeddings.shape[1] // self.size
        return self.separate(embeddings), self.separate(object_queries), mask

    def _join_groups(self, _: nn.Module, inputs: tuple[Any, ...], attended: Tensor) -> Tensor:  # noqa: ARG002
        return attended.unflatten(0, (-1, self._present)).flatten(1, 2)


def _of_queries(trace: Trace, chosen: slice) -> Trace:
    embeddings = tuple(of_layer[:, chosen] for of_layer in trace.embeddings)
    return trace._replace(embeddings=embeddings, reference_logits=trace.reference_logits[:, chosen])
