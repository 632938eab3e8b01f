"""A model in hand that finds objects in images, videos and what cameras see."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from condetr.api.option_names import reject_foreign_option_names
from condetr.checkpoints.loading import Checkpoint
from condetr.core.device import device_of
from condetr.core.names import Task
from condetr.images.detections import Detections
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Numerics, size_of
from condetr.prediction.bundled_model_check import checked_for_handwriting
from condetr.prediction.predictor import Failure, Predictor
from condetr.prediction.sources import images_in, is_one, refuse_videos
from condetr.prediction.tasks import Segmenter
from condetr.prediction.tiling import tiled
from condetr.prediction.track_ids import with_track_ids
from condetr.speed import compiling
from condetr.speed.accelerate import NONE, AccelerationOptions, accelerate, can_accelerate, plan_acceleration
from condetr.speed.compute_type import check_precision
from condetr.speed.fast_detector import FastDetector
from condetr.speed.weights_version import WeightsVersion, weights_version


class LoadedModel:
    """A loaded model, with the images it wants and the names it gives."""

    backend: str = "torch"  # or what runs an exported graph
    only_handwriting: bool = False  # whether nobody chose the model, so that it refuses other images than the demo's

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str | torch.device = "auto",
        image_size: Any = None,
        acceleration: AccelerationOptions = NONE,
    ) -> None:
        said = checkpoint.preprocessing or {}
        numerics: Numerics = "pil" if str(said.get("image_processor_type", "")).endswith("Pil") else "torchvision"
        source = checkpoint.provenance.path / "preprocessor_config.json"
        self.preprocessing = Preprocessing.from_dict(said, numerics=numerics, source=source)
        if image_size is not None:
            self.preprocessing = replace(self.preprocessing, size=size_of(image_size, longest=1333, field="image_size"))
        self.device = device_of(device)
        check_precision(acceleration.precision, self.device)
        self._wish = acceleration
        self.checkpoint = checkpoint
        self.network = checkpoint.detector.to(self.device).eval()
        self._fast: tuple[WeightsVersion, FastDetector] | None = None

    @property
    def names(self) -> dict[int, str]:
        """The name of every class id."""
        return dict(self.checkpoint.labels)

    @property
    def task(self) -> Task:
        """What it was made for: to detect boxes, instances with masks, or segments of things and stuff."""
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
        on_error: str = "raise",
    ) -> Any:
        """Find the objects of one image, or of many.

        Args:
            source: a path, PIL image, RGB array or tensor gives one result; a folder, pattern, list file (.txt,
                .csv) or a list of any of these gives a list, in order.
            threshold: detections that score at or below it are left out.
            top_k: the most detections of an image.
            batch: the most images that the network sees at once; it does not change the results.
            classes: names or ids of the classes to look for.
            task: "detect" boxes; "instance": with a mask each; "panoptic": every pixel belongs to one segment at most.
                By default what the model was made for.
            mask_threshold: probability that a pixel must reach to be covered by a mask.
            tile: also look at parts of this many pixels a side, or (height, width), for small objects in large
                images; ``top_k`` is then of each part. Not for segments.
            on_error: "raise" what is wrong with an image, or "collect" it as a Failure in the place of its result.

        Returns:
            ``Detections``, or a list of them.

        Raises:
            CondetrError: an image cannot be used, or the model gives no numbers.
        """
        refuse_videos(source)
        predictor = self._predictor(threshold, top_k, batch, classes, task, mask_threshold)
        results = tiled(predictor, tile).predict(self._checked(source), on_error=on_error)
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
    ) -> Iterator[Detections | Failure]:
        """The same, one result after the other, in bounded memory, also of videos and cameras (by number).

        With ``track``, objects of a video keep a number from frame to frame: ``Detections.tracks``.
        With ``keep_pictures``, ``Detections.picture`` is decoded where there is room, so that ``draw()`` is faster.
        """
        predictor = self._predictor(threshold, top_k, batch, classes, task, mask_threshold, keep_pictures)
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
    ) -> Predictor:
        """What runs this model over images, for a service or page of one's own; the words are those of `predict`."""
        return self._predictor(threshold, top_k, batch, classes, task, mask_threshold)

    def _checked(self, source: object) -> Iterable[Any]:
        """Its images; where nobody chose the model, after a look at whether it is meant for them."""
        images = images_in(source)
        if not self.only_handwriting:
            return images
        return checked_for_handwriting(images, option='condetr.load("{}")')

    def _predictor(
        self,
        threshold: float | int,
        top_k: int,
        batch: int,
        classes: Sequence[str | int] | None,
        task: Task | None,
        mask_threshold: float | int,
        keep_pictures: bool = False,  # noqa: FBT001, FBT002  with the others, in their order
    ) -> Predictor:
        return Predictor(
            self.inference_model,
            self.preprocessing,
            self.checkpoint.labels,
            threshold=threshold,
            top_k=top_k,
            batch=batch,
            device=self.device,
            classes=classes,
            task=task or self.task,
            mask_threshold=mask_threshold,
            stuff=self.checkpoint.stuff,
            keep_pictures=keep_pictures,
        )

    def speed(self) -> dict[str, Any]:
        """The optimizations in use on this device, and those left out, each with its reason."""
        network = self.inference_model
        if not isinstance(network, FastDetector):
            return {"device": str(self.device), "done": [f"the graph of {self.backend}"], "left_out": []}
        plan = plan_acceleration(self.device, next(self.network.parameters()).dtype, self._wish)
        kept = {"compiled_code": str(compiling.cache_folder())} if compiling.STEP in network.steps else {}
        return {"device": str(self.device), "done": list(network.steps), "left_out": list(plan.left_out)} | kept

    @property
    def inference_model(self) -> nn.Module:
        """The copy that answers: made when it is first asked for, and anew when the weights have changed."""
        if not can_accelerate(self.network):
            return self.network
        moment = weights_version(self.network)
        if self._fast is None or self._fast[0] != moment:
            self._fast = moment, accelerate(self.network, self.device, self._wish)
        return self._fast[1]
