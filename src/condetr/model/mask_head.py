"""Which pixels an object covers: DETR's mask head (Carion et al. 2020, section 4.4)."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from condetr.core.errors import UsageError
from condetr.core.shapes import Embeddings, FeatureMap, MaskLogits, Queries
from condetr.model.config import DetectorConfig
from condetr.model.mask_attention import Keys, MaskAttention
from condetr.model.mask_fpn import ImageFeatures, MaskPyramid
from condetr.model.transformer import Trace

BLOCK_SIZE = 1 << 24  # numbers of the largest map held for several objects: masks are computed in blocks

# Every image has its own number of chosen queries.
ImageEmbeddings = Float[Tensor, "_ channels"]
ImageMasks = Float[Tensor, "_ _ _"]


class MaskContext(NamedTuple):
    """What the masks of one image share, computed once."""

    features: ImageFeatures
    keys: Float[Tensor, "heads cells width"]
    cells: Bool[Tensor, "rows columns"]  # True on real ones


@runtime_checkable
class Pyramid(Protocol):
    """`MaskPyramid`, or a faster one."""

    def image_features(self, projected: FeatureMap, features: tuple[FeatureMap, ...], /) -> ImageFeatures: ...
    def __call__(self, maps: Float[Tensor, "_ _ _ _"], features: ImageFeatures, /) -> MaskLogits: ...


class MaskHead(nn.Module):
    """Attention maps of an embedding over the memory, refined by the features of the backbone."""

    def __init__(self, pyramid: Pyramid, attention: MaskAttention, block_size: int | None = None) -> None:
        super().__init__()
        self.pyramid, self.attention, self.block_size = pyramid, attention, block_size

    @classmethod
    def fresh(cls, config: DetectorConfig, feature_widths: tuple[int, ...]) -> "MaskHead":
        """Freshly initialized.

        Args:
            config: of the detector; there are as many maps as encoder attention heads.
            feature_widths: of the backbone's stages, finest first.

        Raises:
            SettingsError: a mask head needs other widths of the network, or more stages of the backbone.
        """
        pyramid = MaskPyramid(config.d_model, config.encoder_attention_heads, feature_widths)
        return cls(pyramid, MaskAttention(config.d_model, config.encoder_attention_heads))

    def forward(self, trace: Trace, embeddings: Sequence[ImageEmbeddings]) -> list[ImageMasks]:
        """Masks of the chosen embeddings of each image, in their order; see `masks`."""
        pairs = zip(self.contexts(trace), embeddings, strict=True)
        return [self.masks(context, of_image) for context, of_image in pairs]

    def contexts(self, trace: Trace) -> list[MaskContext]:
        """One per image; raises as `image_features` does."""
        features, keys = self.image_features(trace)
        return [MaskContext(features.of_image(image), keys[image], cells) for image, cells in enumerate(trace.cells)]

    def image_features(self, trace: Trace) -> tuple[ImageFeatures, Keys]:
        """What masks are made from besides embeddings, for all images of the batch.

        Raises:
            UsageError: the trace has no backbone features.
        """
        if not trace.features or trace.flattened is None:
            raise UsageError("masks need the features of the backbone, which did not run", item="features")
        projected = trace.flattened.transpose(1, 2).unflatten(2, trace.cells.shape[1:])
        return self.pyramid.image_features(projected, trace.features), self.attention.keys(trace.memory)

    def masks(self, context: MaskContext, embeddings: Embeddings) -> MaskLogits:
        """They cover the whole input, padding included. Memory grows with the number of these embeddings only."""
        shapes = (feature.shape for feature in (context.features.coarse, *context.features.finer))
        blocks = embeddings.split(objects_per_block(shapes, self.block_size))
        return torch.cat([self.block(context, block) for block in blocks])

    def block(self, context: MaskContext, embeddings: Embeddings) -> MaskLogits:
        """The masks of one block, computed at once."""
        maps = self.attention(embeddings, context.keys, context.cells.flatten()).unflatten(2, context.cells.shape)
        return self.pyramid(maps, context.features)

    def batch_masks(self, trace: Trace, embeddings: Queries) -> Float[Tensor, "batch queries _ _"]:
        """Masks of equally many embeddings of every image, all at once: the shapes do not depend on the batch."""
        features, keys = self.image_features(trace)
        queries = embeddings.shape[1]
        maps = self.attention(embeddings, keys, trace.cells.flatten(1)).unflatten(3, trace.cells.shape[1:])
        coarse, *finer = (shared.repeat_interleave(queries, 0) for shared in (features.coarse, *features.finer))
        return self.pyramid(maps.flatten(0, 1), ImageFeatures(coarse, tuple(finer))).unflatten(0, (-1, queries))


def objects_per_block(shapes: Iterable[Sequence[int]], block_size: int | None = None) -> int:
    """How many objects fit into a block, by the shapes (image, channels, rows, columns) of the image features."""
    return max(1, (block_size or BLOCK_SIZE) // max(math.prod(shape[1:]) for shape in shapes))
