"""Conditional DETR that also says which pixels each object covers."""

from collections.abc import Sequence

import torch
from jaxtyping import Int64
from torch import Tensor

from condetr.core.errors import UsageError
from condetr.core.shapes import Embeddings, MaskLogits
from condetr.model.body import Trace
from condetr.model.config import DetectorConfig
from condetr.model.detector import ConditionalDetr
from condetr.model.mask_attention import MaskAttention
from condetr.model.mask_head import MaskHead

NUMBERS_AT_ONCE = 1 << 24  # of the largest map that is held for several objects: they are segmented in blocks


class ConditionalDetrSegmenter(ConditionalDetr):
    """A detector, and masks of those queries that somebody chooses once it is known what they found.

    Scores and boxes are the detector's. One look, one trace:

        trace = segmenter.trace(pixels, mask)
        prediction = segmenter.conclude(trace)
        masks = segmenter.segment(trace, [queries of each image])
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self._add_masks()

    def _add_masks(self) -> None:
        channels, heads = self.config.d_model, self.config.encoder_attention_heads
        self.mask_head = MaskHead(channels, heads, self.backbone.widths)
        self.mask_attention = MaskAttention(channels, heads)

    def segment(self, trace: Trace, queries: Sequence[Int64[Tensor, "chosen"]]) -> list[MaskLogits]:
        """Masks of chosen queries of each image, as the last decoder layer has them.

        They cover the whole input, padding included. Memory grows with the chosen queries only.
        """
        return self.segment_embeddings(
            trace, [of_image[q] for of_image, q in zip(trace.embeddings[-1], queries, strict=True)]
        )

    def segment_embeddings(self, trace: Trace, embeddings: Sequence[Embeddings]) -> list[MaskLogits]:
        """Masks of some embeddings for each image, which need not be the trace's own.

        Raises:
            UsageError: the trace is of a look without the backbone, whose features the masks need.
        """
        if not trace.features or trace.flattened is None:
            raise UsageError("a look without the backbone gives no masks", item="features")
        rows, columns = trace.cells.shape[1:]
        projected = trace.flattened.transpose(1, 2).unflatten(2, (rows, columns))
        clues, keys = self.mask_head.clues(projected, trace.features), self.mask_attention.keys(trace.memory)
        block = self._objects_at_once(trace)
        masks = []
        for image, of_image in enumerate(embeddings):
            common, cells = clues.of_image(image), trace.cells[image].flatten()
            blocks = []
            for some in of_image.split(block):
                maps = self.mask_attention(some, keys[image], cells).unflatten(2, (rows, columns))
                blocks.append(self.mask_head(maps, common))
            masks.append(torch.cat(blocks))
        return masks

    def _objects_at_once(self, trace: Trace) -> int:
        finest, cells = trace.features[0][0, 0].numel(), trace.cells[0].numel()
        channels = self.config.d_model
        return max(1, NUMBERS_AT_ONCE // max(finest * channels // 8, cells * channels))


def with_masks(detector: ConditionalDetr) -> ConditionalDetrSegmenter:
    """A segmenter that shares everything with a detector, and has a mask head to be trained."""
    segmenter = ConditionalDetrSegmenter.__new__(ConditionalDetrSegmenter)
    torch.nn.Module.__init__(segmenter)
    segmenter.config = detector.config
    for name, part in detector.named_children():
        setattr(segmenter, name, part)
    segmenter._add_masks()
    like = detector.head.classes.weight
    segmenter.mask_head.to(like)
    segmenter.mask_attention.to(like)
    return segmenter.train(detector.training)
