"""The network as other programs call it: pixels and mask in, numbers out."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from condetr.core.shapes import PixelMask, Pixels
from condetr.export.formats import OUTPUTS
from condetr.images.scoring import best_pairs


class DetectionGraph(nn.Module):
    """What is exported: logits and boxes; on request also the best pairs of a query and a class, ready to be drawn.

    Whatever the network computes in, what goes in and what comes out is float32.
    """

    inputs: ClassVar[tuple[str, ...]] = ("pixels", "mask")

    def __init__(self, detector: nn.Module, *, best: int | None = None, dtype: torch.dtype = torch.float32) -> None:
        """Wrap a network in evaluation mode.

        Args:
            detector: answers ``(pixels, mask)`` with a Prediction.
            best: put post-processing into the graph, which then also gives this many detections a picture.
            dtype: what the network's weights are.
        """
        super().__init__()
        self.detector = detector
        self.best, self.dtype = best, dtype
        self.outputs = OUTPUTS[:2] if best is None else OUTPUTS

    def forward(self, pixels: Pixels, mask: PixelMask) -> tuple[Tensor, ...]:
        logits, boxes = self.detector(pixels.to(self.dtype), mask)
        logits, boxes = logits.float(), boxes.float()
        if self.best is None:
            return logits, boxes
        scores, labels, boxes_xyxy, _ = best_pairs(logits, boxes, self.best)
        return logits, boxes, scores, labels, boxes_xyxy
