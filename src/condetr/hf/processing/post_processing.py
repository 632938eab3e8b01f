"""From model outputs to objects in the pixels of each image."""

import warnings
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from condetr.hf.processing.segment_post_processing import SegmentPostProcessing
from condetr.images.scoring import detections_of
from condetr.images.sizes import HeightWidth

_QUERIES = 300  # top-k of post_process: the number of queries of the published models


class PostProcessing(SegmentPostProcessing):
    def post_process_object_detection(
        self,
        outputs: Any,
        threshold: float = 0.5,
        target_sizes: Tensor | Sequence[Any] | None = None,
        top_k: int = 100,
    ) -> list[dict[str, Tensor]]:
        """``scores``, ``labels`` and ``boxes`` (x1, y1, x2, y2) of each image, best first.

        Args:
            outputs: of `ConditionalDetrForObjectDetection`.
            threshold: scores must be above it.
            target_sizes: (height, width) of each image; boxes are in its pixels. Without, they are in [0, 1].
            top_k: how many pairs of a query and a class are considered.

        Raises:
            UsageError: not one size per image.
            ModelError: the outputs are not finite.
        """
        sizes = target_sizes if target_sizes is None or isinstance(target_sizes, Tensor) else _pairs(target_sizes)
        images = detections_of(outputs.logits, outputs.pred_boxes, sizes, threshold=threshold, top_k=top_k)
        return [{"scores": image.scores, "labels": image.labels, "boxes": image.boxes} for image in images]

    def post_process(self, outputs: Any, target_sizes: Tensor | Sequence[Any]) -> list[dict[str, Tensor]]:
        """The best 300 of each image at any score; the deprecated method of transformers 4."""
        message = "post_process is deprecated; use post_process_object_detection with threshold=0.0 and top_k=300"
        warnings.warn(message, FutureWarning, stacklevel=2)
        return self.post_process_object_detection(outputs, -1.0, target_sizes, _QUERIES)


def _pairs(sizes: Sequence[Any]) -> list[HeightWidth]:
    return [(int(height), int(width)) for height, width in sizes]
