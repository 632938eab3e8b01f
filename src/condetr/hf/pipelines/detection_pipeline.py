"""From images to named boxes in whole pixels, as hosted object detectors answer."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch

from condetr.hf.pipelines.image_pipeline import Found, ImagePipeline
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
    ) -> Found | list[Found] | Iterator[Found]:
        """The objects of one image; of each image of a list; or, one by one, of any other iterable.

        Of each its ``score``, ``label`` (a name) and ``box``: xmin, ymin, xmax, ymax.

        Images are paths, encoded bytes, PIL images, arrays or tensors. Files and PIL images are turned upright as
        their EXIF orientation says, and boxes are whole pixels of the upright image. URLs are refused.

        Args:
            inputs: the images.
            threshold: what a score must be above.
            batch_size: how many images are read together; those that come out equally large go through the model
                at once, so no result depends on the images beside it.
            images: another name for ``inputs``.
            timeout: of no consequence: in transformers, how long to wait for images from the web.
        """
        answers = partial(self._objects, threshold=self.threshold if threshold is None else threshold)
        return self._each(images if inputs is None else inputs, batch_size, answers)

    def _objects(self, outputs: Any, sizes: Sequence[HeightWidth], *, threshold: float) -> list[Found]:
        results = self.image_processor.post_process_object_detection(outputs, threshold, sizes)
        return [self._named(result) for result in results]

    def _named(self, result: dict[str, torch.Tensor]) -> Found:
        rows = zip(
            *(result[name].tolist() for name in ("scores", "labels")), result["boxes"].int().tolist(), strict=True
        )
        sides = ("xmin", "ymin", "xmax", "ymax")
        names = self.model.config.id2label
        return [
            {"score": score, "label": names[label], "box": dict(zip(sides, box, strict=True))}
            for score, label, box in rows
        ]
