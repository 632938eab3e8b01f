"""Masks of every query, of which only those that the losses ask for are held for their gradients."""

from functools import cached_property

import torch
from torch import Tensor

from condetr.losses.masks import MaskMaps, Matches
from condetr.model.mask_head import MaskHead, Scene
from condetr.model.transformer import Trace


class MasksOfAll:
    """The masks of one look; `matched` is for the losses, and comes first."""

    def __init__(self, mask_head: MaskHead, trace: Trace) -> None:
        self._mask_head, self._trace = mask_head, trace
        self._embeddings = trace.embeddings[-1]
        self._known: tuple[Matches, Matches, MaskMaps] | None = None

    @cached_property
    def _scenes(self) -> list[Scene]:
        return self._mask_head.scenes(self._trace)

    def matched(self, images: Matches, queries: Matches) -> MaskMaps:
        """Masks of queries that answer for an object, in rising order of images."""
        counts = images.bincount(minlength=len(self._scenes)).tolist()
        chosen = self._embeddings[images, queries].split(counts)
        masks = torch.cat(list(map(self._mask_head.masks, self._scenes, chosen)))
        self._known = images, queries, masks
        return masks

    def together(self) -> Tensor:
        """Every query's (batch, queries, rows, columns). Those that no loss asked for have no gradient then."""
        if torch.compiler.is_compiling() and self._known is None:  # a graph holds for a batch of any length
            return self._mask_head.of_all(self._trace, self._embeddings)
        if self._known is None:
            return torch.stack(list(map(self._mask_head.masks, self._scenes, self._embeddings)))
        images, queries, masks = self._known
        others = torch.ones(self._embeddings.shape[:2], dtype=torch.bool, device=masks.device)
        others[images, queries] = False
        every = masks.new_empty(*others.shape, *masks.shape[1:])
        with torch.no_grad():
            for image, scene in enumerate(self._scenes):
                every[image, others[image]] = self._mask_head.masks(scene, self._embeddings[image, others[image]])
        return every.index_put((images, queries), masks)
