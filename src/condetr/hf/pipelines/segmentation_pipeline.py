"""From images to named masks of their size, in the format of hosted segmentation services."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from condetr.core.errors import UsageError
from condetr.hf.pipelines.image_pipeline import ImagePipeline, ImageResult
from condetr.images.sizes import HeightWidth

TASK = "image-segmentation"
SUBTASKS = ("panoptic", "instance", "semantic")


class ImageSegmentationPipeline(ImagePipeline):
    """A segmenter and its processor, from files to named masks. Made by `pipeline`."""

    task = TASK
    _defaults: ClassVar[dict[str, Any]] = {
        "subtask": "panoptic",
        "threshold": 0.9,
        "mask_threshold": 0.5,
        "overlap_mask_area_threshold": 0.5,
    }

    def __init__(
        self, model: Any, image_processor: Any, device: torch.device, *, batch_size: int = 1, **options: Any
    ) -> None:
        super().__init__(model, image_processor, device, batch_size=batch_size)
        self.options = self._defaults | {name: value for name, value in options.items() if value is not None}

    def __call__(
        self,
        inputs: Any = None,
        *,
        images: Any = None,
        subtask: str | None = None,
        threshold: float | None = None,
        mask_threshold: float | None = None,
        overlap_mask_area_threshold: float | None = None,
        batch_size: int | None = None,
        timeout: float | None = None,  # noqa: ARG002  for code written for transformers
    ) -> ImageResult | list[ImageResult] | Iterator[ImageResult]:
        """The segments of one image; of each image of a list; or, one by one, of any other iterable.

        Each segment has a ``score`` (None for "semantic"), a ``label`` (the class name) and a ``mask``: a PIL image in
        mode L, of the size of the upright image, 255 inside and 0 outside. Inputs are as in `ObjectDetectionPipeline`.

        Args:
            inputs: the images.
            subtask: "panoptic" by default: masks do not overlap, and the classes in ``label_ids_to_fuse`` of
                config.json have one mask at most; "instance": the same without fusing; "semantic": one mask a class.
            threshold: scores must be above it; 0.9 as in transformers, which few sigmoid scores reach.
            mask_threshold: minimum probability for a pixel to be in a mask.
            overlap_mask_area_threshold: the share of a mask's area that better masks leave over must be above it.
            batch_size: how many images are read together; no result depends on other images.
            images: another name for ``inputs``.
            timeout: ignored; accepted for compatibility with transformers.

        Raises:
            UsageError: another subtask, or a processor that pads images, for masks would include the padding.
        """
        arguments = {
            "subtask": subtask,
            "threshold": threshold,
            "mask_threshold": mask_threshold,
            "overlap_mask_area_threshold": overlap_mask_area_threshold,
        }
        options = self.options | {name: value for name, value in arguments.items() if value is not None}
        kind = options.pop("subtask")
        if kind not in SUBTASKS:
            raise UsageError(f"is {kind!r}, expected one of {', '.join(SUBTASKS)}", item="subtask")
        if getattr(self.image_processor, "do_pad", False) and getattr(self.image_processor, "pad_size", None):
            hint = "set the pad_size of the processor to None"
            raise UsageError("pads images, and masks would include the padding", item="image_processor", hint=hint)
        post_process = self._classes if kind == "semantic" else partial(self._segments, kind=kind, **options)
        return self._run(images if inputs is None else inputs, batch_size, post_process)

    def _segments(self, outputs: Any, sizes: Sequence[HeightWidth], *, kind: str, **options: Any) -> list[ImageResult]:
        process = getattr(self.image_processor, f"post_process_{kind}_segmentation")
        if kind == "panoptic":
            options["label_ids_to_fuse"] = set(getattr(self.model.config, "label_ids_to_fuse", ()))
        names = self.model.config.id2label
        return [
            [
                {
                    "score": info["score"],
                    "label": names[info["label_id"]],
                    "mask": _mask(result["segmentation"] == info["id"]),
                }
                for info in result["segments_info"]
            ]
            for result in process(outputs, target_sizes=sizes, **options)
        ]

    def _classes(self, outputs: Any, sizes: Sequence[HeightWidth]) -> list[ImageResult]:
        names = self.model.config.id2label
        return [
            [{"score": None, "label": names[label], "mask": _mask(plane == label)} for label in plane.unique().tolist()]
            for plane in self.image_processor.post_process_semantic_segmentation(outputs, target_sizes=sizes)
        ]


def _mask(inside: Bool[Tensor, "height width"]) -> Image.Image:
    return Image.fromarray(inside.cpu().numpy().astype(np.uint8) * 255)
