"""Which pixels an object covers: DETR's mask head (Carion et al. 2020, section 4.4)."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from condetr.core.errors import UsageError
from condetr.core.shapes import Embeddings, MaskLogits, Queries
from condetr.model.config import DetectorConfig
from condetr.model.mask_attention import Keys, MaskAttention
from condetr.model.mask_fpn import ImageFeatures, MaskPyramid
from condetr.model.transformer import Trace

NUMBERS_AT_ONCE = 1 << 24  # of the largest map that is held for several objects: they are segmented in blocks

# One of these for every image, and each has its own number of chosen queries.
EmbeddingsOfOne = Float[Tensor, "_ channels"]
MasksOfOne = Float[Tensor, "_ _ _"]


class Scene(NamedTuple):
    """What the masks of one image have in common, computed once."""

    clues: ImageFeatures
    keys: Float[Tensor, "heads cells width"]
    cells: Bool[Tensor, "rows columns"]  # True on real ones


class MaskHead(nn.Module):
    """Attention maps of an embedding over the memory, refined by the features of the backbone.

    Args:
        config: of the detector; there are as many maps as encoder attention heads.
        feature_widths: of the backbone's stages, finest first.

    Raises:
        SettingsError: the network has other widths, or fewer stages, than masks can be made from.
    """

    def __init__(self, config: DetectorConfig, feature_widths: tuple[int, ...]) -> None:
        super().__init__()
        self.pyramid = MaskPyramid(config.d_model, config.encoder_attention_heads, feature_widths)
        self.attention = MaskAttention(config.d_model, config.encoder_attention_heads)

    def forward(self, trace: Trace, embeddings: Sequence[EmbeddingsOfOne]) -> list[MasksOfOne]:
        """Masks of some embeddings of each image, in their order; see `masks`."""
        return [self.masks(scene, of_image) for scene, of_image in zip(self.scenes(trace), embeddings, strict=True)]

    def scenes(self, trace: Trace) -> list[Scene]:
        """What the masks of each image have in common; see `evidence`."""
        clues, keys = self.evidence(trace)
        return [Scene(clues.of_image(image), keys[image], cells) for image, cells in enumerate(trace.cells)]

    def evidence(self, trace: Trace) -> tuple[ImageFeatures, Keys]:
        """What masks are made from besides embeddings, of all images together.

        Raises:
            UsageError: the trace is of a look without the backbone, whose features the masks need.
        """
        if not trace.features or trace.flattened is None:
            raise UsageError("a look without the backbone gives no masks", item="features")
        projected = trace.flattened.transpose(1, 2).unflatten(2, trace.cells.shape[1:])
        return self.pyramid.clues(projected, trace.features), self.attention.keys(trace.memory)

    def masks(self, scene: Scene, embeddings: Embeddings) -> MaskLogits:
        """They cover the whole input, padding included. Memory grows with these embeddings only."""
        at_once = objects_at_once(adapted.shape for adapted in (scene.clues.coarse, *scene.clues.finer))
        return torch.cat([self.together(scene, some) for some in embeddings.split(at_once)])

    def together(self, scene: Scene, embeddings: Embeddings) -> MaskLogits:
        """The same, all at once."""
        maps = self.attention(embeddings, scene.keys, scene.cells.flatten()).unflatten(2, scene.cells.shape)
        return self.pyramid(maps, scene.clues)

    def of_all(self, trace: Trace, embeddings: Queries) -> Float[Tensor, "batch queries _ _"]:
        """Masks of as many embeddings of every image, all at once: memory grows with them, but no image is special."""
        clues, keys = self.evidence(trace)
        queries = embeddings.shape[1]
        maps = self.attention(embeddings, keys, trace.cells.flatten(1)).unflatten(3, trace.cells.shape[1:])
        coarse, *finer = (shared.repeat_interleave(queries, 0) for shared in (clues.coarse, *clues.finer))
        return self.pyramid(maps.flatten(0, 1), ImageFeatures(coarse, tuple(finer))).unflatten(0, (-1, queries))


def objects_at_once(maps: Iterable[Sequence[int]]) -> int:
    """How many objects memory has room for, by the shapes (image, channels, rows, columns) of the clues."""
    return max(1, NUMBERS_AT_ONCE // max(math.prod(shape[1:]) for shape in maps))
