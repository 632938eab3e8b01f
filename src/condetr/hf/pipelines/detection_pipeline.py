"""From images to named boxes in whole pixels, in the format of hosted object-detection services."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch

from condetr.hf.pipelines.image_pipeline import ImagePipeline, ImageResult
from condetr.images.sizes import HeightWidth

TASK = "object-detection"
THRESHOLD = 0.5


class ObjectDetectionPipeline(ImagePipeline):
    """A detector and its processor, from files to named boxes. Made by `pipeline`."""

    task = TASK

    def __init__(
        self,
        model: Any,
        image_processor: Any,
        device: torch.device,
        *,
        threshold: float = THRESHOLD,
        batch_size: int = 1,
    ) -> None:
        super().__init__(model, image_processor, device, batch_size=batch_size)
        self.threshold = threshold

    def __call__(
        self,
        inputs: Any = None,
        *,
        images: Any = None,
        threshold: float | None = None,
        batch_size: int | None = None,
        timeout: float | None = None,  # noqa: ARG002  for code written for transformers
    ) -> ImageResult | list[ImageResult] | Iterator[ImageResult]:
        """The objects of one image; of each image of a list; or, one by one, of any other iterable.

        Each object has a ``score``, a ``label`` (the class name) and a ``box``: xmin, ymin, xmax, ymax.

        Images are paths, encoded bytes, PIL images, arrays or tensors. Files and PIL images are rotated upright by
        their EXIF orientation, and boxes are whole pixels of the upright image. URLs are refused.

        Args:
            inputs: the images.
            threshold: scores must be above it.
            batch_size: how many images are read together; those resized to the same shape go through the model
                at once, so no result depends on other images.
            images: another name for ``inputs``.
            timeout: ignored; accepted for compatibility with transformers.
        """
        post_process = partial(self._objects, threshold=self.threshold if threshold is None else threshold)
        return self._run(images if inputs is None else inputs, batch_size, post_process)

    def _objects(self, outputs: Any, sizes: Sequence[HeightWidth], *, threshold: float) -> list[ImageResult]:
        results = self.image_processor.post_process_object_detection(outputs, threshold, sizes)
        return [self._named(result) for result in results]

    def _named(self, result: dict[str, torch.Tensor]) -> ImageResult:
        rows = zip(
            *(result[name].tolist() for name in ("scores", "labels")), result["boxes"].int().tolist(), strict=True
        )
        sides = ("xmin", "ymin", "xmax", "ymax")
        names = self.model.config.id2label
        return [
            {"score": score, "label": names[label], "box": dict(zip(sides, box, strict=True))}
            for score, label, box in rows
        ]
