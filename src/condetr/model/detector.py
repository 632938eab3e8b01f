"""Conditional DETR, the detector."""

from condetr.core.records import Prediction
from condetr.core.shapes import PixelMask, Pixels
from condetr.model.config import DetectorConfig
from condetr.model.heads import DetectionHead
from condetr.model.transformer import DetrTransformer, Trace


class ConditionalDetr(DetrTransformer):
    """``forward`` answers with the last layer; ``supervise`` with every layer, for the losses.

    Images of one size need no mask; in a padded batch it is True on real pixels.
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.head = DetectionHead(config)

    def forward(self, pixels: Pixels, mask: PixelMask | None = None) -> Prediction:
        return self.conclude(self.trace(pixels, mask))

    def conclude(self, trace: Trace) -> Prediction:
        """What the last layer says after a look at a batch."""
        return self.head(trace.embeddings[-1], trace.reference_logits)

    def supervise(self, pixels: Pixels, mask: PixelMask | None = None) -> tuple[Prediction, ...]:
        trace = self.trace(pixels, mask)
        return tuple(self.head(embeddings, trace.reference_logits) for embeddings in trace.embeddings)
