"""A loaded model: it detects objects in images, videos and camera streams, and is evaluated."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from condetr.api.description import description_of
from condetr.api.option_names import reject_foreign_option_names
from condetr.checkpoints.loading import Checkpoint
from condetr.core.device import device_of
from condetr.core.distributed import SINGLE_PROCESS, ProcessShard
from condetr.core.names import Metric, Task
from condetr.data.hub_datasets import HubDataset, data_path
from condetr.data.records import Dataset
from condetr.evaluation.class_mapping import ClassMap
from condetr.evaluation.evaluate import evaluate_detector, held_out
from condetr.evaluation.report import Report
from condetr.export.stored import StoredExport
from condetr.images.detections import Detections
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Numerics, size_of
from condetr.prediction.bundled_model_check import checked_for_handwriting
from condetr.prediction.input.videos import refuse_videos
from condetr.prediction.predictor import Failure, Predictor
from condetr.prediction.sources import images_in, is_one
from condetr.prediction.tasks import Segmenter
from condetr.prediction.tiling import tiled
from condetr.prediction.track_ids import with_track_ids
from condetr.speed import compiling
from condetr.speed.accelerate import NONE, AccelerationOptions, accelerate, can_accelerate, plan_acceleration
from condetr.speed.compute_type import check_precision
from condetr.speed.fast_detector import FastDetector
from condetr.speed.weights_version import WeightsVersion, weights_version


class LoadedModel:
    """A network, or the graph of one, with its preprocessing and class names."""

    backend: str = "torch"  # or the runtime of an exported graph
    only_handwriting: bool = False  # the bundled model, loaded by default: it rejects images unlike the demo's

    def __init__(
        self,
        checkpoint: Checkpoint | StoredExport,
        *,
        device: str | torch.device = "auto",
        image_size: Any = None,
        acceleration: AccelerationOptions = NONE,
    ) -> None:
        processor = checkpoint.preprocessing or {}
        numerics: Numerics = "pil" if str(processor.get("image_processor_type", "")).endswith("Pil") else "torchvision"
        source = checkpoint.provenance.path / "preprocessor_config.json"
        self.preprocessing = Preprocessing.from_dict(processor, numerics=numerics, source=source)
        self.has_own_size = image_size is not None
        if image_size is not None:
            self.preprocessing = replace(self.preprocessing, size=size_of(image_size, longest=1333, field="image_size"))
        self.device = device_of(device)
        check_precision(acceleration.precision, self.device)
        self._acceleration = acceleration
        self.checkpoint = checkpoint
        self.network = checkpoint.detector.to(self.device).eval()
        self._fast: tuple[WeightsVersion, FastDetector] | None = None

    @property
    def names(self) -> dict[int, str]:
        """The name of every class id."""
        return dict(self.checkpoint.labels)

    @property
    def task(self) -> Task:
        """What the model was made for: boxes, instances with masks, or segments of things and stuff."""
        if not isinstance(self.network, Segmenter):
            return "detect"
        return "panoptic" if self.checkpoint.stuff else "instance"

    @reject_foreign_option_names
    def predict(
        self,
        source: object,
        *,
        threshold: float | int = 0.5,
        top_k: int = 100,
        batch: int = 1,
        classes: Sequence[str | int] | None = None,
        task: Task | None = None,
        mask_threshold: float | int = 0.5,
        tile: int | tuple[int, int] | None = None,
        decode_workers: int | None = None,
        on_error: str = "raise",
    ) -> Any:
        """Detect the objects of one image, or of many.

        Args:
            source: a path, PIL image, RGB array or tensor gives one result; a folder, pattern, list file (.txt,
                .csv) or a list of any of these gives a list, in order.
            threshold: detections that score at or below it are left out.
            top_k: the most detections of an image.
            batch: the most images in one batch; it does not change the results.
            classes: names or ids of the classes to detect.
            task: "detect" boxes; "instance": with a mask each; "panoptic": every pixel belongs to one segment at most.
                By default what the model was made for.
            mask_threshold: probability from which a pixel belongs to a mask.
            tile: also detect in tiles of this many pixels a side, or (height, width), for small objects in large
                images; ``top_k`` is then of each tile. Not for segments.
            decode_workers: threads that decode images; by default up to 8 beside a GPU, else one, or those that predict
                small images.
            on_error: "raise" what is wrong with an image, or "collect" it as a Failure in the place of its result.

        Returns:
            ``Detections``, or a list of them.

        Raises:
            CondetrError: an image cannot be used, or the model's output is not finite.
        """
        refuse_videos(source)
        results = list(
            self.stream(
                source,
                threshold=threshold,
                top_k=top_k,
                batch=batch,
                classes=classes,
                task=task,
                mask_threshold=mask_threshold,
                tile=tile,
                decode_workers=decode_workers,
                on_error=on_error,
            )
        )
        return results[0] if is_one(source) else results

    @reject_foreign_option_names
    def stream(
        self,
        source: object,
        *,
        threshold: float | int = 0.5,
        top_k: int = 100,
        batch: int = 1,
        classes: Sequence[str | int] | None = None,
        task: Task | None = None,
        mask_threshold: float | int = 0.5,
        tile: int | tuple[int, int] | None = None,
        on_error: str = "raise",
        track: bool = False,
        keep_pictures: bool = False,
        decode_workers: int | None = None,
    ) -> Iterator[Detections | Failure]:
        """The same, one result after the other, in bounded memory, also of videos and cameras (by number).

        With ``track``, objects of a video keep a number from frame to frame: ``Detections.tracks``.
        With ``keep_pictures``, ``Detections.picture`` is decoded where there is room, so that ``draw()`` is faster.
        """
        predictor = self.predictor(
            threshold=threshold,
            top_k=top_k,
            batch=batch,
            classes=classes,
            task=task,
            mask_threshold=mask_threshold,
            keep_pictures=keep_pictures,
            decode_workers=decode_workers,
        )
        results = tiled(predictor, tile).stream(self._checked(source), on_error=on_error)
        return with_track_ids(results) if track else results

    def predictor(
        self,
        *,
        threshold: float | int = 0.5,
        top_k: int = 100,
        batch: int = 1,
        classes: Sequence[str | int] | None = None,
        task: Task | None = None,
        mask_threshold: float | int = 0.5,
        keep_pictures: bool = False,
        decode_workers: int | None = None,
    ) -> Predictor:
        """A `Predictor` of this model, for a service or page of your own; the options are those of `stream`."""
        return Predictor(
            self.inference_model,
            self.preprocessing,
            self.checkpoint.labels,
            device=self.device,
            threshold=threshold,
            top_k=top_k,
            batch=batch,
            classes=classes,
            task=task or self.task,
            mask_threshold=mask_threshold,
            stuff=self.checkpoint.stuff,
            keep_pictures=keep_pictures,
            decode_workers=decode_workers,
        )

    def _checked(self, source: object) -> Iterable[Any]:
        """Its images; for the bundled model, loaded by default, only after a check that they suit it."""
        images = images_in(source)
        if not self.only_handwriting:
            return images
        return checked_for_handwriting(images, option='condetr.load("{}")')

    @reject_foreign_option_names
    def evaluate(
        self,
        data: str | Path | Dataset | HubDataset | Mapping[str, HubDataset],
        *,
        split: str | None = None,
        batch: int = 1,
        top_k: int = 100,
        metrics: Iterable[Metric] | None = None,
        threshold: float | int = 0.5,
        class_map: ClassMap | None = None,
        task: Task | None = None,
        tile: int | tuple[int, int] | None = None,
        share: ProcessShard = SINGLE_PROCESS,
        on_picture: Callable[[], None] = lambda: None,
    ) -> Report:
        """Measure the model on labeled images.

        Args:
            data: a folder or file in any format, a dataset that was read, or a Dataset or DatasetDict of the library
                `datasets`, which is written to the cache.
            split: which part; val unless named, else test, or the only one. Where there is no val, "val" is the tenth
                of the images that a training holds out.
            batch: the most images in one batch; it does not change the results.
            top_k: the most detections of an image; COCO counts 100.
            metrics: ap, per-class, pr, confusion, errors, calibration, layers, speed; of segments also pq, miou. By
                default all but layers and speed.
            threshold: score above which detections count in the confusion matrix and among the errors, and segments.
            class_map: the model's names of the dataset's classes, where their names differ.
            task: "detect" measures boxes, "instance" also masks, "panoptic" also segments; by default what the model
                was made for. The data needs masks, or panoptic annotations.
            tile: also detect in tiles of the images, as `predict` does.
            share: of the images, where several processes evaluate together.
            on_picture: called after each image.

        Raises:
            UsageError: the model has no class of the dataset, or an option is out of its range.
            DataError: there is no such data, it has no objects, or no image can be read.
        """
        task = task or self.task
        dataset = data if isinstance(data, Dataset) else held_out(data_path(data), split, task=task)
        return evaluate_detector(
            self.inference_model,
            dataset,
            self.preprocessing,
            self.checkpoint.labels,
            batch=batch,
            device=self.device,
            top_k=top_k,
            metrics=metrics,
            threshold=threshold,
            class_map=class_map,
            task=task,
            stuff=self.checkpoint.stuff or None,
            tile=tile,
            share=share,
            on_picture=on_picture,
        )

    def info(self, image_size: tuple[int, int] | None = None) -> dict[str, Any]:
        """What this model is, as plain values.

        Args:
            image_size: (height, width) to count operations for; by default that of a 480x640 image, resized.
        """
        size = image_size or self.preprocessing.fit((480, 640))
        return description_of(self.checkpoint, self.network, self.preprocessing, size)

    def speed(self) -> dict[str, Any]:
        """The optimizations in use on this device, and those left out, each with its reason."""
        network = self.inference_model
        if not isinstance(network, FastDetector):
            return {"device": str(self.device), "done": [f"the graph of {self.backend}"], "left_out": []}
        plan = plan_acceleration(self.device, next(self.network.parameters()).dtype, self._acceleration)
        cache = {"compiled_code": str(compiling.cache_folder())} if compiling.STEP in network.steps else {}
        return {"device": str(self.device), "done": list(network.steps), "left_out": list(plan.left_out)} | cache

    @property
    def inference_model(self) -> nn.Module:
        """The accelerated copy: made on first use, and again when the weights have changed."""
        if not can_accelerate(self.network):
            return self.network
        version = weights_version(self.network)
        if self._fast is None or self._fast[0] != version:
            self._fast = version, accelerate(self.network, self.device, self._acceleration)
        return self._fast[1]
