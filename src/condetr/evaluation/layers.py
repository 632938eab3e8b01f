"""AP of each decoder layer: all of them predict classes and boxes, which training supervises (DETR's auxiliary losses).

Inference uses the last one only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import nn

from condetr.core.errors import UsageError
from condetr.core.records import Prediction
from condetr.core.shapes import PixelMask, Pixels
from condetr.data.records import Dataset
from condetr.evaluation.arrays import GroundTruth, predicted_objects_of
from condetr.evaluation.class_mapping import ClassMatch
from condetr.evaluation.coco_ap import accumulate
from condetr.images.detections import Detections
from condetr.images.preprocessing import Preprocessing
from condetr.model.detector import ConditionalDetr
from condetr.prediction.input.labeled_images import labeled_images
from condetr.prediction.predictor import Failure, Predictor
from condetr.speed.fast_detector import FastDetector

LayeredDetector: TypeAlias = ConditionalDetr | FastDetector


@dataclass(frozen=True, kw_only=True)
class LayerResult:
    """COCO's AP of the boxes of one decoder layer: over all IoUs, at 0.5 and at 0.75."""

    ap: float
    ap50: float
    ap75: float


def layered(network: nn.Module) -> LayeredDetector:
    """The network itself.

    Raises:
        UsageError: it has only its last decoder layer, as an exported graph.
    """
    if not isinstance(network, ConditionalDetr | FastDetector):
        hint = "evaluate the model that was exported"
        raise UsageError("layers needs the decoder layers of a network", item="metrics", hint=hint)
    return network


class LayerCollector:
    """Detections from every decoder layer, of one image after the other."""

    def __init__(
        self,
        network: LayeredDetector,
        preprocessing: Preprocessing,
        labels: Mapping[int, str],
        dataset: Dataset,
        matched: ClassMatch,
        **options: Any,
    ) -> None:
        """``options`` are those of `Predictor`: device and top_k."""
        self._dataset, self._matched, self._layers = dataset, matched, _Layers(network)
        self._predictor = Predictor(self._layers, preprocessing, labels, threshold=0.0, **options)

    def collect(self, positions: Iterable[int]) -> dict[int, tuple[Detections, ...]]:
        """By position in the dataset, the last layer last; empty for images that cannot be read."""
        return {position: tuple(self._of_image(position)) for position in positions}

    def _of_image(self, position: int) -> list[Detections]:
        (source,) = labeled_images([self._dataset[position]])
        prepared = self._predictor.prepare(source)
        if isinstance(prepared, Failure):
            return []
        found = []
        for layer in range(self._layers.count):
            self._layers.chosen = layer
            [result] = self._predictor.predict_batch([prepared])
            if isinstance(result, Failure):
                return []
            found.append(self._matched.translated(result))
        return found


class _Layers(nn.Module):
    """The prediction of the chosen decoder layer; choosing the first runs the network, the others have its results."""

    def __init__(self, network: LayeredDetector) -> None:
        super().__init__()
        self.network, self.chosen = network, 0
        self.count = (network.network if isinstance(network, FastDetector) else network).config.decoder_layers
        self._predictions: tuple[Prediction, ...] = ()

    def forward(self, pixels: Pixels, mask: PixelMask | None = None) -> Prediction:
        if self.chosen == 0:
            self._predictions = self.network.predict_layers(pixels, mask)
        return self._predictions[self.chosen]


def layer_results(
    truth: GroundTruth, found: Sequence[Sequence[Detections]], *, images: int, classes: int
) -> tuple[LayerResult, ...]:
    """The AP of each layer; ``found`` has the detections of every layer for each image."""
    results = []
    for of_layer in zip(*found, strict=True):
        accumulated = accumulate(truth, predicted_objects_of(of_layer), images=images, classes=classes)
        ap, ap50, ap75 = (accumulated.ap(iou) or 0.0 for iou in (None, 0.5, 0.75))
        results.append(LayerResult(ap=ap, ap50=ap50, ap75=ap75))
    return tuple(results)
