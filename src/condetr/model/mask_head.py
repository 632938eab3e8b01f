"""Which pixels an object covers: DETR's mask head (Carion et al. 2020, section 4.4)."""

from collections.abc import Sequence

import torch
from torch import nn

from condetr.core.errors import UsageError
from condetr.core.shapes import Embeddings, MaskLogits
from condetr.model.body import Trace
from condetr.model.config import DetectorConfig
from condetr.model.mask_attention import MaskAttention
from condetr.model.mask_pyramid import MaskPyramid

NUMBERS_AT_ONCE = 1 << 24  # of the largest map that is held for several objects: they are segmented in blocks


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
        self.channels = config.d_model
        self.pyramid = MaskPyramid(config.d_model, config.encoder_attention_heads, feature_widths)
        self.attention = MaskAttention(config.d_model, config.encoder_attention_heads)

    def forward(self, trace: Trace, embeddings: Sequence[Embeddings]) -> list[MaskLogits]:
        """Masks of some embeddings of each image, in their order.

        They cover the whole input, padding included. Memory grows with these embeddings only.

        Raises:
            UsageError: the trace is of a look without the backbone, whose features the masks need.
        """
        if not trace.features or trace.flattened is None:
            raise UsageError("a look without the backbone gives no masks", item="features")
        rows, columns = trace.cells.shape[1:]
        projected = trace.flattened.transpose(1, 2).unflatten(2, (rows, columns))
        clues, keys = self.pyramid.clues(projected, trace.features), self.attention.keys(trace.memory)
        block = self._objects_at_once(trace)
        masks = []
        for image, of_image in enumerate(embeddings):
            common, cells = clues.of_image(image), trace.cells[image].flatten()
            blocks = []
            for some in of_image.split(block):
                maps = self.attention(some, keys[image], cells).unflatten(2, (rows, columns))
                blocks.append(self.pyramid(maps, common))
            masks.append(torch.cat(blocks))
        return masks

    def _objects_at_once(self, trace: Trace) -> int:
        finest, cells = trace.features[0][0, 0].numel(), trace.cells[0].numel()
        return max(1, NUMBERS_AT_ONCE // max(finest * self.channels // 8, cells * self.channels))
