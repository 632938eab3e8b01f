"""From images to named masks of their size, as hosted segmenters answer."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from condetr.core.errors import UsageError
from condetr.hf.pipelines.image_pipeline import Found, ImagePipeline
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
    ) -> Found | list[Found] | Iterator[Found]:
        """The segments of one image; of each image of a list; or, one by one, of any other iterable.

        Of each its ``score`` (None for "semantic"), ``label`` (a name) and ``mask``: a PIL image in mode L, of the
        size of the upright image, 255 inside and 0 outside. Images are those of `ObjectDetectionPipeline`.

        Args:
            inputs: the images.
            subtask: "panoptic" unless given: no pixel is in two masks, and classes that the config.json says are to be
                fused have one mask at most; "instance": the same without fusing; "semantic": one mask a class.
            threshold: what a score must be above; 0.9 as in transformers, which few scores of a sigmoid are.
            mask_threshold: what the probability of a pixel must reach for a mask to cover it.
            overlap_mask_area_threshold: what must be exceeded by the share of its area that better masks leave a mask.
            batch_size: how many images are read together; no result depends on the images beside it.
            images: another name for ``inputs``.
            timeout: of no consequence: in transformers, how long to wait for images from the web.

        Raises:
            UsageError: another subtask, or a processor that pads images, whose masks would show the padding, too.
        """
        given = {
            "subtask": subtask,
            "threshold": threshold,
            "mask_threshold": mask_threshold,
            "overlap_mask_area_threshold": overlap_mask_area_threshold,
        }
        options = self.options | {name: value for name, value in given.items() if value is not None}
        kind = options.pop("subtask")
        if kind not in SUBTASKS:
            raise UsageError(f"is {kind!r}, expected one of {', '.join(SUBTASKS)}", item="subtask")
        if getattr(self.image_processor, "do_pad", False) and getattr(self.image_processor, "pad_size", None):
            hint = "set the pad_size of the processor to None"
            raise UsageError("pads images, and masks would show that", item="image_processor", hint=hint)
        answers = self._classes if kind == "semantic" else partial(self._segments, kind=kind, **options)
        return self._each(images if inputs is None else inputs, batch_size, answers)

    def _segments(self, outputs: Any, sizes: Sequence[HeightWidth], *, kind: str, **options: Any) -> list[Found]:
        process = getattr(self.image_processor, f"post_process_{kind}_segmentation")
        if kind == "panoptic":
            options["label_ids_to_fuse"] = set(getattr(self.model.config, "label_ids_to_fuse", ()))
        names = self.model.config.id2label
        return [
            [
                {
                    "score": info["score"],
                    "label": names[info["label_id"]],
                    "mask": _mask(found["segmentation"] == info["id"]),
                }
                for info in found["segments_info"]
            ]
            for found in process(outputs, target_sizes=sizes, **options)
        ]

    def _classes(self, outputs: Any, sizes: Sequence[HeightWidth]) -> list[Found]:
        names = self.model.config.id2label
        return [
            [{"score": None, "label": names[label], "mask": _mask(plane == label)} for label in plane.unique().tolist()]
            for plane in self.image_processor.post_process_semantic_segmentation(outputs, target_sizes=sizes)
        ]


def _mask(inside: Bool[Tensor, "height width"]) -> Image.Image:
    return Image.fromarray(inside.cpu().numpy().astype(np.uint8) * 255)
