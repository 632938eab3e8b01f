"""Conditional DETR that also says which pixels each object covers."""

from collections.abc import Sequence

from jaxtyping import Int64
from torch import Tensor, nn

from condetr.model.config import DetectorConfig
from condetr.model.detector import ConditionalDetr
from condetr.model.mask_head import MaskHead, MasksOfOne
from condetr.model.transformer import Trace


class ConditionalDetrSegmenter(ConditionalDetr):
    """A detector, and masks of those queries that somebody chooses once it is known what they found.

    Scores and boxes are the detector's. One look is enough::

        trace = segmenter.trace(pixels, mask)
        prediction = segmenter.conclude(trace)
        masks = segmenter.segment(trace, [queries of each image])
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__(config)
        self.mask_head = MaskHead(config, self.backbone.widths)

    def segment(self, trace: Trace, queries: Sequence[Int64[Tensor, "_"]]) -> list[MasksOfOne]:
        """Masks of chosen queries of each image, as the last decoder layer has them; see `MaskHead`."""
        chosen = zip(trace.embeddings[-1], queries, strict=True)
        return self.mask_head(trace, [of_image[numbers] for of_image, numbers in chosen])

    def without_masks(self) -> ConditionalDetr:
        """The detector alone, which shares its weights."""
        return _Bare(self)


class _Bare(ConditionalDetr):
    def __init__(self, segmenter: ConditionalDetrSegmenter) -> None:
        nn.Module.__init__(self)
        self.config = segmenter.config
        for name, part in segmenter.named_children():
            if name != "mask_head":
                self.add_module(name, part)


class _Extended(ConditionalDetrSegmenter):
    def __init__(self, detector: ConditionalDetr, mask_head: MaskHead) -> None:
        nn.Module.__init__(self)
        self.config = detector.config
        for name, part in (*detector.named_children(), ("mask_head", mask_head)):
            self.add_module(name, part)


def with_masks(detector: ConditionalDetr, mask_head: MaskHead | None = None) -> ConditionalDetrSegmenter:
    """A segmenter that shares everything with a detector; its mask head is fresh unless given.

    Raises:
        SettingsError: the network has other widths, or fewer stages, than masks can be made from.
    """
    if mask_head is None:
        mask_head = MaskHead(detector.config, detector.backbone.widths).to(detector.head.classes.weight)
    return _Extended(detector, mask_head)
