"""What is found in each image of a data set, kept small: a mask as its run lengths, segments as what they count."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import PurePath

from condetr.data.records import Dataset
from condetr.evaluation.class_mapping import ClassMatch
from condetr.evaluation.mask_ap import Runs
from condetr.evaluation.panoptic_quality import PanopticCounts, counts_of
from condetr.images.detections import Detections
from condetr.images.masks.rle import rle_of_mask
from condetr.prediction.predictor import Failure, Predictor
from condetr.prediction.sources import ImageSource
from condetr.prediction.tiling import TiledPredictor


@dataclass(frozen=True, slots=True)
class Looked:
    """At one image.

    Attributes:
        found: labeled as the data set is, without masks.
        masks: one a detection, where masks were looked for.
        segments: how they compare with the truth, where they were looked for.
    """

    found: Detections | Failure
    masks: tuple[Runs, ...] = ()
    segments: PanopticCounts | None = None


@dataclass(frozen=True, slots=True)
class Looking:
    """Attributes: the images; whose class is which; what finds boxes, or instances; what finds segments, if any."""

    dataset: Dataset
    matched: ClassMatch
    boxes: Predictor | TiledPredictor
    segments: Predictor | None

    def at(self, positions: Iterable[int], on_picture: Callable[[], None]) -> dict[int, Looked]:
        positions = list(positions)
        found = self.boxes.stream(self._sources(positions), on_error="collect")
        segmented: Iterable[Detections | Failure | None] = repeat(None, len(positions))
        if self.segments is not None:
            segmented = self.segments.stream(self._sources(positions), on_error="collect")
        looked = {}
        for position, one, other in zip(positions, found, segmented, strict=True):
            looked[position] = self._looked(position, one, other)
            on_picture()
        return looked

    def _looked(self, position: int, one: Detections | Failure, other: Detections | Failure | None) -> Looked:
        for result in (one, other):
            if isinstance(result, Failure):
                return Looked(result)
        assert isinstance(one, Detections)
        found = self.matched.translated(one)
        masks = () if found.masks is None else tuple(rle_of_mask(mask) for mask in found.masks)
        counts = None
        if isinstance(other, Detections):
            counts = counts_of(self.dataset[position], self.matched.translated(other), len(self.dataset.classes))
        return Looked(replace(found, masks=None), masks, counts)

    def _sources(self, positions: Iterable[int]) -> Iterator[ImageSource]:
        paths = (self.dataset.examples[position].path for position in positions)
        return (ImageSource(str(path), PurePath(path.name), path) for path in paths)
