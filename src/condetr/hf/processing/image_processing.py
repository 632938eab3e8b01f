"""ConditionalDetrImageProcessor: from images and annotations to the inputs of the models."""

from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from condetr.hf.processing.annotations import labels_of_each
from condetr.hf.processing.batch_feature import BatchFeature
from condetr.hf.processing.post_processing import PostProcessing
from condetr.hf.processing.processing_steps import ProcessingSteps
from condetr.hf.processing.processor_settings import OLD_SETTINGS, SETTINGS, check_names, warn_of_old_names
from condetr.hf.processing.stored_processor import StoredProcessor
from condetr.images.coco_labels.detection import Labels
from condetr.images.coco_labels.resizing import normalize_labels, pad_labels, resize_labels
from condetr.images.image_inputs import images_of
from condetr.images.resize import size_of_image
from condetr.images.sizes import HeightWidth, Numerics


class ConditionalDetrImageProcessor(ProcessingSteps, PostProcessing, StoredProcessor):
    """Resizes, rescales, normalizes and pads images as torchvision does, and converts COCO annotations.

    Settings have the same names in the constructor, as attributes and in calls: ``format``, ``do_resize``,
    ``size`` ({shortest_edge, longest_edge}, {height, width}, {max_height, max_width} or a number), ``resample``,
    ``do_rescale``, ``rescale_factor``, ``do_normalize``, ``image_mean``, ``image_std``, ``do_pad``, ``pad_size``,
    ``do_convert_annotations`` (boxes to (cx, cy, w, h) in [0, 1]), ``input_data_format``, ``data_format`` (of the
    output), ``return_tensors`` ("pt", "np" or None) and ``device`` (of the output). ``do_convert_rgb`` and
    ``disable_grouping`` are ignored: every image becomes RGB, and grouping never alters a result.

    Images have as many channels as ``image_mean`` and ``image_std`` have numbers: three are RGB, one is gray; with any
    other number images must have exactly that many channels, which are used unchanged.
    """

    numerics: ClassVar[Numerics] = "torchvision"
    backend: ClassVar[str] = "torchvision"
    model_input_names: ClassVar[list[str]] = ["pixel_values", "pixel_mask"]

    def __call__(self, images: Any, *args: Any, **kwargs: Any) -> BatchFeature:
        return self.preprocess(images, *args, **kwargs)

    def preprocess(
        self,
        images: Any,
        annotations: Any = None,
        return_segmentation_masks: bool | None = None,  # noqa: FBT001  transformers' signature
        masks_path: str | Path | None = None,
        **settings: Any,
    ) -> BatchFeature:
        """``pixel_values``; where padded, ``pixel_mask`` (int64, 1 on real pixels); where annotated, ``labels``.

        Args:
            images: one or several PIL images, arrays or tensors of any channel order, batches of those, or paths.
            annotations: a dict, or one per image, in COCO's detection or panoptic format.
            return_segmentation_masks: whether labels have masks; by default only those of panoptic annotations.
            masks_path: the folder of the panoptic PNGs.
            settings: override the processor's own settings in this call.

        Raises:
            TypeError: an unknown argument.
            ImageError: an invalid image.
            AnnotationError: an invalid annotation; names the index of its image.
            SettingsError: an invalid setting, or images of several sizes that are not to be padded.
        """
        check_names(settings, (*SETTINGS, *OLD_SETTINGS), "preprocess")
        warn_of_old_names(settings)
        how = self.with_settings(settings) if settings else self
        preprocessing = how.preprocessing()
        formats: dict[str, Any] = {"input_data_format": how.input_data_format, "rescaled": how.do_rescale}
        decoded = images_of(images, channels=preprocessing.channels, **formats)
        sizes = [size_of_image(image) for image in decoded]
        labels: list[Labels] | None = None
        if annotations is not None:
            labels = labels_of_each(annotations, sizes, how.format, return_segmentation_masks, masks_path)
        fitted = [preprocessing.fit(size) for size in sizes]
        frame: HeightWidth | None = None
        if how.do_pad or how.return_tensors or len(set(fitted)) == 1:
            batch = preprocessing.prepare(decoded)
            frame = batch.pixels.shape[2], batch.pixels.shape[3]
            features = {"pixel_values": how._converted_batch(how._in_data_format(batch.pixels))}
            if how.do_pad:
                features["pixel_mask"] = how._converted_batch(batch.mask.long())
        else:
            each = preprocessing.prepare_each(decoded)
            features = {"pixel_values": [how._converted(how._in_data_format(planes)) for planes in each]}
        if labels is not None:
            resized = zip(labels, sizes, fitted, strict=True)
            features["labels"] = [how._resized(each, old, new, frame or new) for each, old, new in resized]
        return BatchFeature(features)

    def _resized(self, labels: Labels, old: HeightWidth, new: HeightWidth, frame: HeightWidth) -> BatchFeature:
        labels = resize_labels(labels, old, new)
        if self.do_convert_annotations:
            labels = normalize_labels(labels, new)
        return BatchFeature({name: self._converted(value) for name, value in pad_labels(labels, frame).items()})

    def _in_data_format(self, pixels: Tensor) -> Tensor:
        return pixels.movedim(-3, -1) if self.data_format == "channels_last" else pixels

    def _converted_batch(self, batch: Tensor) -> Any:
        """A batch; the PIL processor returns a list of images unless ``return_tensors`` is set."""
        if self.return_tensors is None and self.numerics == "pil":
            return [self._converted(each) for each in batch]
        return self._converted(batch)

    def _converted(self, value: Tensor) -> Any:
        kind = self.return_tensors or ("np" if self.numerics == "pil" else "pt")
        return value.numpy() if kind == "np" else value.to(self.device)


class ConditionalDetrImageProcessorPil(ConditionalDetrImageProcessor):
    """The same with PIL's resampling and the size rounding of transformers 4; no torchvision, no GPU."""

    numerics: ClassVar[Numerics] = "pil"
    backend: ClassVar[str] = "pil"
