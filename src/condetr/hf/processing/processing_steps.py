"""The single steps of an image processor, as methods named as in transformers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from condetr.core.errors import UsageError
from condetr.hf.processing.annotations import labels_of_each
from condetr.hf.processing.batch_feature import BatchFeature
from condetr.hf.processing.processor_settings import AnnotationFormat, read_size, setting_of
from condetr.images.batch import Scale, padded
from condetr.images.coco_labels.resizing import normalize_labels, pad_labels, resize_labels
from condetr.images.image_inputs import images_of
from condetr.images.options import check_positive
from condetr.images.resize import planes_of, resize, size_of_image
from condetr.images.sizes import HeightWidth, Numerics


class ProcessingSteps:
    """Each takes one image, or the labels of one, as tensors or arrays, and returns the same kind."""

    numerics: ClassVar[Numerics]
    format: AnnotationFormat
    resample: int
    channels: int

    def prepare_annotation(
        self,
        image: Any,
        target: Mapping[str, Any],
        format: str | None = None,  # noqa: A002  transformers' name
        return_segmentation_masks: bool | None = None,  # noqa: FBT001
        masks_path: str | Path | None = None,
        input_data_format: str | None = None,
    ) -> dict[str, Any]:
        """The COCO annotation of an image as labels, with boxes (x1, y1, x2, y2) in its pixels."""
        [upright] = images_of(image, input_data_format=input_data_format, rescaled=False, channels=self.channels)
        form = self.format if format is None else setting_of("format", format)
        [labels] = labels_of_each(target, [size_of_image(upright)], form, return_segmentation_masks, masks_path)
        return {name: _like(image, value) for name, value in labels.items()}

    def resize(self, image: Any, size: Any, resample: Any = None) -> Any:
        """The image at any form of ``size``, channels first."""
        [upright] = images_of(image, rescaled=False, channels=self.channels)
        fitted = read_size(size).fit(size_of_image(upright), self.numerics)
        resampling = self.resample if resample is None else setting_of("resample", resample)
        return _like(image, resize(upright, fitted, Image.Resampling(resampling), self.numerics))

    def rescale(self, image: Any, scale: float) -> Any:
        return _like(image, torch.as_tensor(image).float() * setting_of("rescale_factor", scale))

    def normalize(self, image: Any, mean: Any, std: Any) -> Any:
        """``(image - mean) / std`` of an image with channels first; one number per channel, or one for all."""
        center = torch.tensor(setting_of("image_mean", mean))[:, None, None]
        deviations = setting_of("image_std", std)
        check_positive(tuple(deviations), "image_std")
        spread = torch.tensor(deviations)[:, None, None]
        return _like(image, (torch.as_tensor(image).float() - center) / spread)

    def pad(
        self,
        image: Any,
        padded_size: HeightWidth | None = None,
        annotation: Mapping[str, Any] | None = None,
        update_bboxes: bool = False,  # noqa: FBT001, FBT002  transformers' signature
        fill: float = 0.0,
        *,
        return_pixel_mask: bool = True,
        return_tensors: str | None = None,
    ) -> Any:
        """Zeros at the bottom and right, and a mask that is 1 on the image.

        A list of images becomes a `BatchFeature`, as in transformers 4, each padded to ``padded_size`` or to the
        largest. One image becomes (image, mask, annotation), as in transformers 5.
        """
        if fill or update_bboxes:
            raise UsageError(
                "condetr pads with zeros, and boxes stay those of the image", item="fill" if fill else "update_bboxes"
            )
        planes = [planes_of(each) for each in images_of(image, rescaled=False, channels=self.channels)]
        frame = None if padded_size is None else (int(padded_size[0]), int(padded_size[1]))
        pixels, real = padded(planes, Scale(), frame)
        if isinstance(image, list | tuple):
            masks = {"pixel_mask": list(real.long())} if return_pixel_mask else {}
            return BatchFeature({"pixel_values": list(pixels)} | masks, return_tensors)
        if annotation is not None:
            annotation = _changed(annotation, pad_labels, (pixels.shape[-2], pixels.shape[-1]))
        return _like(image, pixels[0]), _like(image, real[0].long()), annotation

    def resize_annotation(
        self,
        annotation: Mapping[str, Any],
        orig_size: HeightWidth,
        target_size: HeightWidth,
        threshold: float = 0.5,  # noqa: ARG002  for interpolated masks only
        resample: Any = Image.Resampling.NEAREST,
    ) -> dict[str, Any]:
        if setting_of("resample", resample) != Image.Resampling.NEAREST:
            raise UsageError(f"is {resample!r}, expected NEAREST: masks are not interpolated", item="resample")
        return _changed(annotation, resize_labels, tuple(orig_size), tuple(target_size))

    def normalize_annotation(self, annotation: Mapping[str, Any], image_size: HeightWidth) -> dict[str, Any]:
        """Boxes (x1, y1, x2, y2) in pixels become (cx, cy, w, h) in [0, 1]."""
        return _changed(annotation, normalize_labels, tuple(image_size))


def _like(original: Any, value: Tensor) -> Any:
    return value.numpy() if isinstance(original, np.ndarray) else value


def _changed(labels: Mapping[str, Any], change: Any, *sizes: Any) -> dict[str, Any]:
    changed = change({name: torch.as_tensor(value) for name, value in labels.items()}, *sizes)
    array = next((value for value in labels.values() if isinstance(value, np.ndarray)), None)
    return {name: _like(array, value) for name, value in changed.items()}
