"""The modules that are exported: from pixels and mask to predictions, and from chosen queries to masks."""

from jaxtyping import Bool, Float
from torch import Tensor, nn

from condetr.core.records import Prediction
from condetr.core.shapes import Embeddings, FeatureMap, MaskLogits, PixelMask, Pixels
from condetr.export.graph_formats import BEST, MASK_INPUTS, PREDICTION
from condetr.images.scoring import best_pairs
from condetr.model.mask_fpn import ImageFeatures
from condetr.model.mask_head import MaskContext, MaskHead
from condetr.model.segmenter import ConditionalDetrSegmenter


class Graph(nn.Module):
    """A module with names of its inputs and outputs."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class DetectionGraph(Graph):
    """Logits and boxes; on request also the best pairs of a query and a class."""

    inputs = ("pixels", "mask")

    def __init__(self, detector: nn.Module, *, best: int | None = None) -> None:
        """Wrap a network in evaluation mode.

        Args:
            detector: maps ``(pixels, mask)`` to a Prediction.
            best: include post-processing with this many detections per image.
        """
        super().__init__()
        self.detector = detector
        self.best = best
        self.outputs = PREDICTION if best is None else (*PREDICTION, *BEST)

    def forward(self, pixels: Pixels, mask: PixelMask) -> tuple[Tensor, ...]:
        return self._outputs(self.detector(pixels, mask))

    def _outputs(self, prediction: Prediction) -> tuple[Tensor, ...]:
        logits, boxes = prediction.logits, prediction.boxes
        if self.best is None:
            return logits, boxes
        scores, labels, boxes_xyxy, _ = best_pairs(logits, boxes, self.best)
        return logits, boxes, scores, labels, boxes_xyxy


class SegmentationGraph(DetectionGraph):
    """Also gives the inputs of the mask graph: embeddings of all queries, and features of the image."""

    detector: ConditionalDetrSegmenter

    def __init__(self, detector: nn.Module, *, best: int | None = None) -> None:
        super().__init__(detector, best=best)
        self.outputs = (*self.outputs, "embeddings", *MASK_INPUTS)

    def forward(self, pixels: Pixels, mask: PixelMask) -> tuple[Tensor, ...]:
        trace = self.detector.trace(pixels, mask)
        features, keys = self.detector.mask_head.image_features(trace)
        grid = keys.unflatten(2, trace.cells.shape[1:])
        maps = (features.coarse, *features.finer)
        return *self._outputs(self.detector.predict_last(trace)), trace.embeddings[-1], grid, trace.cells, *maps


class MaskGraph(Graph):
    """Masks of chosen objects of one image; no others are computed."""

    inputs = ("chosen", *MASK_INPUTS)
    outputs = ("masks",)

    def __init__(self, mask_head: MaskHead) -> None:
        super().__init__()
        self.mask_head = mask_head

    def forward(
        self,
        chosen: Embeddings,
        keys: Float[Tensor, "1 heads rows columns width"],
        cells: Bool[Tensor, "1 rows columns"],
        coarse: FeatureMap,
        finer_1: FeatureMap,
        finer_2: FeatureMap,
        finer_3: FeatureMap,
    ) -> tuple[MaskLogits]:
        context = MaskContext(ImageFeatures(coarse, (finer_1, finer_2, finer_3)), keys[0].flatten(1, 2), cells[0])
        return (self.mask_head.block(context, chosen),)
