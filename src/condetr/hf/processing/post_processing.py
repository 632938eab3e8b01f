"""What the models answered, as objects in the pixels of each image."""

import warnings
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from condetr.hf.processing.segment_post_processing import SegmentPostProcessing
from condetr.images.scoring import detections_of
from condetr.images.sizes import HeightWidth

_QUERIES = 300  # pairs that post_process looks at: as many as the published models have queries


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
            outputs: the answer of `ConditionalDetrForObjectDetection`.
            threshold: what a score must be above.
            target_sizes: (height, width) of each image; boxes are in its pixels. Without, they are in [0, 1].
            top_k: how many pairs of a query and a class are looked at.

        Raises:
            UsageError: not one size an image.
            ModelError: the answer is not finite.
        """
        sizes = target_sizes if target_sizes is None or isinstance(target_sizes, Tensor) else _pairs(target_sizes)
        found = detections_of(outputs.logits, outputs.pred_boxes, sizes, threshold=threshold, top_k=top_k)
        return [{"scores": one.scores, "labels": one.labels, "boxes": one.boxes} for one in found]

    def post_process(self, outputs: Any, target_sizes: Tensor | Sequence[Any]) -> list[dict[str, Tensor]]:
        """The best 300 of each image, whatever their scores; the name of transformers 4 for old code."""
        message = "post_process is deprecated; use post_process_object_detection with threshold=0.0 and top_k=300"
        warnings.warn(message, FutureWarning, stacklevel=2)
        return self.post_process_object_detection(outputs, -1.0, target_sizes, _QUERIES)


def _pairs(sizes: Sequence[Any]) -> list[HeightWidth]:
    return [(int(height), int(width)) for height, width in sizes]
