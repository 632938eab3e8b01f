"""Group DETR (Chen et al. 2023): several sets of queries learn at once, each matched by itself; one is kept.

The extra queries live here, outside of the network, which runs on all of them as if it had more. Only the decoder's
self-attention must not mix the groups; everything else treats each query by itself anyway.
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
    """The queries that are dropped after training.

    Until `release`, the detector's queries attend to others of their own group only. Alone, the kept group is one.
    """

    def __init__(self, detector: ConditionalDetr, groups: int) -> None:
        super().__init__()
        kept = detector.decoder.object_queries
        self.size = len(kept)
        self._present = 1  # groups in the attention that runs at the moment
        self.extra = nn.Parameter(torch.randn((groups - 1) * self.size, kept.shape[1], device=kept.device))
        attentions = [layer.get_submodule("self_attention") for layer in detector.decoder.layers]
        self._hooks = [attention.register_forward_pre_hook(self._apart_before) for attention in attentions]
        self._hooks += [attention.register_forward_hook(self._together_after) for attention in attentions]

    def trace(self, detector: ConditionalDetr, pixels: Pixels, mask: PixelMask | None) -> Trace:
        """What the detector would see with the queries of all groups, one group behind the other."""
        queries = torch.cat((detector.decoder.object_queries, self.extra))
        return functional_call(_Look(detector), {"detector.decoder.object_queries": queries}, (pixels, mask))

    def apart(self, of_queries: Queries) -> Float[Tensor, "groups_of_batch queries_of_group channels"]:
        """Each group as an image of its own."""
        return of_queries.unflatten(1, (-1, self.size)).flatten(0, 1)

    def release(self) -> None:
        for hook in self._hooks:
            hook.remove()

    def _apart_before(self, _: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        embeddings, object_queries, mask = given
        self._present = embeddings.shape[1] // self.size
        return self.apart(embeddings), self.apart(object_queries), mask

    def _together_after(self, _: nn.Module, given: tuple[Any, ...], seen: Tensor) -> Tensor:  # noqa: ARG002
        return seen.unflatten(0, (-1, self._present)).flatten(1, 2)


class _Look(nn.Module):
    """`trace` as a module's forward, which is what parameters can be exchanged for."""

    def __init__(self, detector: ConditionalDetr) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, pixels: Pixels, mask: PixelMask | None) -> Trace:
        return self.detector.trace(pixels, mask)
