"""Conditional DETR, the detector."""

from dataclasses import replace

from torch import nn

from condetr.core.records import Prediction
from condetr.core.shapes import PixelMask, Pixels
from condetr.model.config import DetectorConfig
from condetr.model.heads import DetectionHead
from condetr.model.transformer import DetrTransformer, Trace


class ConditionalDetr(nn.Module):
    """``forward`` gives the prediction of the last decoder layer, ``predict_layers`` that of each, for the losses.

    Images of one size need no mask; in a padded batch it is True on real pixels.
    """

    def __init__(
        self, config: DetectorConfig, body: DetrTransformer | None = None, head: DetectionHead | None = None
    ) -> None:
        """Parts that are not given are freshly initialized."""
        super().__init__()
        self.body = DetrTransformer(config) if body is None else body
        self.config = replace(config, backbone=self.body.config.backbone)
        self.head = DetectionHead.fresh(config) if head is None else head

    def forward(self, pixels: Pixels, mask: PixelMask | None = None) -> Prediction:
        return self.predict_last(self.trace(pixels, mask))

    def trace(self, pixels: Pixels, mask: PixelMask | None = None) -> Trace:
        return self.body(pixels, mask)

    def predict_last(self, trace: Trace) -> Prediction:
        """The prediction of the last decoder layer."""
        return self.head(trace.embeddings[-1], trace.reference_logits)

    def predict_layers(self, pixels: Pixels, mask: PixelMask | None = None) -> tuple[Prediction, ...]:
        """The predictions of all decoder layers, last layer last."""
        trace = self.trace(pixels, mask)
        return tuple(self.head(embeddings, trace.reference_logits) for embeddings in trace.embeddings)
