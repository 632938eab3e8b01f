"""Predictions for the images of a dataset, kept small: masks as run lengths, segments as counts of panoptic quality."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat

from condetr.data.records import Dataset
from condetr.evaluation.class_mapping import ClassMatch
from condetr.evaluation.coco_ap import Rle
from condetr.evaluation.panoptic_quality import PanopticCounts, counts_of
from condetr.images.detections import Detections
from condetr.images.masks.rle import rle_of_mask
from condetr.prediction.input.labeled_images import labeled_images
from condetr.prediction.predictor import Failure, Predictor
from condetr.prediction.sources import ImageSource
from condetr.prediction.tiling import TiledPredictor


@dataclass(frozen=True, slots=True)
class ImageResult:
    """Of one image.

    Attributes:
        detections: with labels of the dataset, without masks.
        masks: one per detection, where masks are predicted.
        segments: their panoptic counts, where segments are predicted.
    """

    detections: Detections | Failure
    masks: tuple[Rle, ...] = ()
    segments: PanopticCounts | None = None


@dataclass(frozen=True, slots=True)
class ResultCollector:
    """Attributes: the images; the class mapping; the predictor of boxes or instances; that of segments, if any."""

    dataset: Dataset
    matched: ClassMatch
    boxes: Predictor | TiledPredictor
    segments: Predictor | None

    def collect(self, positions: Iterable[int], on_image: Callable[[], None]) -> dict[int, ImageResult]:
        positions = list(positions)
        predicted = self.boxes.stream(self._sources(positions), on_error="collect")
        segmented: Iterable[Detections | Failure | None] = repeat(None, len(positions))
        if self.segments is not None:
            segmented = self.segments.stream(self._sources(positions), on_error="collect")
        results = {}
        for position, boxes, segments in zip(positions, predicted, segmented, strict=True):
            results[position] = self._result(position, boxes, segments)
            on_image()
        return results

    def _result(self, position: int, boxes: Detections | Failure, segments: Detections | Failure | None) -> ImageResult:
        for answer in (boxes, segments):
            if isinstance(answer, Failure):
                return ImageResult(answer)
        assert isinstance(boxes, Detections)
        detections = self.matched.translated(boxes)
        masks = () if detections.masks is None else tuple(rle_of_mask(mask) for mask in detections.masks)
        counts = None
        if isinstance(segments, Detections):
            counts = counts_of(self.dataset[position], self.matched.translated(segments), len(self.dataset.classes))
        return ImageResult(replace(detections, masks=None), masks, counts)

    def _sources(self, positions: Iterable[int]) -> Iterator[ImageSource]:
        return labeled_images(map(self.dataset.examples.__getitem__, positions))
