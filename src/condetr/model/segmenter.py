"""Conditional DETR with a mask head: also predicts which pixels each object covers."""

from collections.abc import Sequence
from dataclasses import replace

from jaxtyping import Int64
from torch import Tensor

from condetr.model.config import DetectorConfig
from condetr.model.detector import ConditionalDetr
from condetr.model.heads import DetectionHead
from condetr.model.mask_head import ImageMasks, MaskHead
from condetr.model.transformer import DetrTransformer, Trace


class ConditionalDetrSegmenter(ConditionalDetr):
    """A detector that also predicts the masks of chosen queries, once their scores are known.

    Scores and boxes are the detector's. One forward pass is enough::

        trace = segmenter.trace(pixels, mask)
        prediction = segmenter.predict_last(trace)
        masks = segmenter.segment(trace, [queries of each image])
    """

    def __init__(
        self,
        config: DetectorConfig,
        body: DetrTransformer | None = None,
        head: DetectionHead | None = None,
        mask_head: MaskHead | None = None,
    ) -> None:
        """Parts that are not given are freshly initialized.

        Raises:
            SettingsError: a mask head needs other widths of the network, or more stages of the backbone.
        """
        super().__init__(config, body, head)
        self.mask_head = MaskHead.fresh(config, self.body.backbone.widths) if mask_head is None else mask_head

    @property
    def masks_in_boxes(self) -> bool:
        """Whether masks end where the boxes of their queries end: `segment` gives them uncut."""
        return self.config.masks_in_boxes

    def segment(self, trace: Trace, queries: Sequence[Int64[Tensor, "_"]]) -> list[ImageMasks]:
        """Masks of chosen queries of each image, from the last decoder layer; see `MaskHead`."""
        pairs = zip(trace.embeddings[-1], queries, strict=True)
        return self.mask_head(trace, [embeddings[chosen] for embeddings, chosen in pairs])

    def with_masks_in_boxes(self, in_boxes: bool) -> "ConditionalDetrSegmenter":  # noqa: FBT001  a value, not a switch
        """One with the same weights whose masks end with their boxes, or do not."""
        config = replace(self.config, masks_in_boxes=in_boxes)
        return ConditionalDetrSegmenter(config, self.body, self.head, self.mask_head)

    def without_masks(self) -> ConditionalDetr:
        """The detector alone, with the same weights."""
        return ConditionalDetr(replace(self.config, masks_in_boxes=False), self.body, self.head)


def with_masks(detector: ConditionalDetr, mask_head: MaskHead | None = None) -> ConditionalDetrSegmenter:
    """A segmenter that shares the detector's weights; the mask head is freshly initialized unless given.

    Raises:
        SettingsError: a mask head needs other widths of the network, or more stages of the backbone.
    """
    if mask_head is None:
        mask_head = MaskHead.fresh(detector.config, detector.body.backbone.widths).to(detector.head.classes.weight)
    return ConditionalDetrSegmenter(detector.config, detector.body, detector.head, mask_head)
