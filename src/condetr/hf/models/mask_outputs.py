"""Masks of every query, of which only those that the losses need are kept for gradients."""

from functools import cached_property

import torch
from torch import Tensor

from condetr.losses.masks import MaskMaps, Matches
from condetr.model.mask_head import MaskContext, MaskHead
from condetr.model.transformer import Trace


class QueryMasks:
    """The masks of one forward pass. `matched` is for the losses, and has to be called first."""

    def __init__(self, mask_head: MaskHead, trace: Trace) -> None:
        self._mask_head, self._trace = mask_head, trace
        self._embeddings = trace.embeddings[-1]
        self._matched: tuple[Matches, Matches, MaskMaps] | None = None

    @cached_property
    def _contexts(self) -> list[MaskContext]:
        return self._mask_head.contexts(self._trace)

    def matched(self, images: Matches, queries: Matches) -> MaskMaps:
        """Masks of matched queries, in rising order of images."""
        counts = images.bincount(minlength=len(self._contexts)).tolist()
        chosen = self._embeddings[images, queries].split(counts)
        masks = torch.cat(list(map(self._mask_head.masks, self._contexts, chosen)))
        self._matched = images, queries, masks
        return masks

    def of_all_queries(self) -> Tensor:
        """(batch, queries, rows, columns). If `matched` was called, only the masks that it gave have gradients."""
        if torch.compiler.is_compiling() and self._matched is None:  # a graph for batches of any size
            return self._mask_head.batch_masks(self._trace, self._embeddings)
        if self._matched is None:
            return torch.stack(list(map(self._mask_head.masks, self._contexts, self._embeddings)))
        images, queries, masks = self._matched
        others = torch.ones(self._embeddings.shape[:2], dtype=torch.bool, device=masks.device)
        others[images, queries] = False
        every = masks.new_empty(*others.shape, *masks.shape[1:])
        with torch.no_grad():
            for image, context in enumerate(self._contexts):
                every[image, others[image]] = self._mask_head.masks(context, self._embeddings[image, others[image]])
        return every.index_put((images, queries), masks)
