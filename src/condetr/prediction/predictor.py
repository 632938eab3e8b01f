"""Runs a detector over images: results in order, each independent of the batch."""

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, islice

import torch
from torch import nn

from condetr.core.device import device_of
from condetr.core.errors import CondetrError, ModelError, UsageError
from condetr.core.names import Task
from condetr.core.out_of_memory import is_out_of_memory, out_of_memory
from condetr.images.batch import Batch
from condetr.images.detections import Detections
from condetr.images.preprocessing import Preprocessing
from condetr.images.resize import UprightImage
from condetr.prediction.class_ids import class_ids
from condetr.prediction.pipeline.image_budget import ImageBudget
from condetr.prediction.pipeline.in_order import in_order
from condetr.prediction.pipeline.threads import decode_threads_for, divided_threads, network_threads_for
from condetr.prediction.sources import ImageSource, images_in
from condetr.prediction.tasks import ImageInfo, RawDetections, TaskOptions, task_runner
from condetr.speed.accelerate import NONE, AccelerationOptions, inference_model

_FEWEST_AHEAD, _MOST_AHEAD = 2, 32  # images decoded ahead of the network
_AHEAD_OF_EACH_WORKER = 2  # so that an image that takes long stops no other worker


@dataclass(frozen=True, slots=True)
class Failure:
    """An image without a result, and why."""

    source: str
    error: CondetrError

    def to_dict(self) -> dict[str, str | None]:
        return self.error.to_dict() | {"source": self.source}


class Predictor:
    """Runs a detector over images.

    Images are never padded together: only images that have the same size after preprocessing share a batch, so that
    the result for an image does not depend on the others.
    """

    def __init__(
        self,
        detector: nn.Module,
        preprocessing: Preprocessing,
        labels: Mapping[int, str],
        *,
        threshold: float | int = 0.5,
        top_k: int = 100,
        batch: int = 1,
        device: str | torch.device = "auto",
        classes: Sequence[str | int] | None = None,
        task: Task = "detect",
        mask_threshold: float | int = 0.5,
        overlap: float | int = 0.8,
        stuff: Collection[int] = (),
        fast: bool = True,
        acceleration: AccelerationOptions = NONE,
        keep_pictures: bool = False,
        decode_workers: int | None = None,
    ) -> None:
        """Check the options and move the detector to its device.

        Args:
            detector: maps ``(pixels, mask)`` to a Prediction; moved to ``device``, in evaluation mode.
            preprocessing: of images.
            labels: name of every class id.
            threshold: detections must score higher.
            top_k: maximum detections per image.
            batch: maximum images per forward pass.
            device: to run on; "auto" is the fastest.
            classes: names or ids of the classes to detect; by default all.
            task: "detect": boxes; "instance": boxes with masks; "panoptic": segments that do not overlap.
            mask_threshold: probability that a pixel must reach to belong to a mask.
            overlap: panoptic: drop segments that keep at most this fraction of their mask.
            stuff: panoptic: ids of classes with at most one segment per image.
            fast: run an accelerated copy of a Conditional DETR (`condetr.speed.accelerate`).
            acceleration: precision of that copy, and whether it is compiled.
            keep_pictures: return decoded images with their results, within a memory limit, so that drawing need not
                decode them again.
            decode_workers: threads that decode images; by default what `decode_threads_for` gives, or, where
                `network_threads_for` gives several, each decodes and predicts images of its own.

        Raises:
            UsageError: an option is out of range, the task needs a mask head and the model has none, or the device
                would be slower in this precision.
        """
        options = TaskOptions(
            task=task,
            threshold=threshold,
            top_k=top_k,
            batch=batch,
            classes=classes,
            class_ids=None if classes is None else class_ids(classes, labels),
            mask_threshold=mask_threshold,
            overlap=overlap,
            stuff=stuff,
        )
        self.device = device_of(device)
        detector = detector.to(self.device).eval()
        self._dtype = next((p.dtype for p in detector.parameters() if p.is_floating_point()), torch.float32)
        self.task = task
        self._detector = inference_model(detector, self.device, acceleration) if fast else detector
        self._preprocessing = preprocessing
        self._labels = dict(labels)
        self._batch = batch
        self._workers = decode_threads_for(self.device) if decode_workers is None else decode_workers
        if self._workers < 1:
            raise UsageError(f"is {self._workers}, expected at least 1", item="decode_workers")
        one_by_one = batch > 1 or decode_workers is not None
        self._network_threads = (
            1 if one_by_one else network_threads_for(self._detector, self.device, task, preprocessing)
        )
        self._budget = ImageBudget() if keep_pictures else None
        self._options, self._run_task = options, task_runner(self._detector, options)

    @property
    def gives_masks(self) -> bool:
        return self.task == "instance"

    def mask_bytes(self, image: "PreparedImage") -> int:
        """The most memory that the masks of an image may take."""
        height, width = image.info.size
        return self._options.top_k * height * width if self.gives_masks and image.masks else 0

    def predict(self, images: object, *, on_error: str = "raise") -> list[Detections | Failure]:
        """The detections of every image; see ``stream``."""
        return list(self.stream(images, on_error=on_error))

    def stream(self, images: object, *, on_error: str = "raise") -> Generator[Detections | Failure, None, None]:
        """One result per image, in order, while later images are being decoded.

        Args:
            images: anything that `images_in` accepts, or its result.
            on_error: "raise" the error of an image, or "collect" it as a Failure in place of its result. Errors of
                the model are always raised.
        """
        if on_error not in ("raise", "collect"):
            raise UsageError(f"is {on_error!r}, expected 'raise' or 'collect'", item="on_error")
        with closing(self._each_result(images_in(images))) as results:
            for result in results:
                if isinstance(result, Failure) and on_error == "raise":
                    raise result.error
                yield result

    def _each_result(self, sources: Iterator[ImageSource]) -> Generator[Detections | Failure, None, None]:
        first = list(islice(sources, 2))
        is_single = len(first) < 2  # it gets all threads
        work = self._in_batches if is_single or self._network_threads == 1 else self._in_threads
        with closing(work(chain(first, sources))) as results:
            yield from results

    def _in_threads(self, sources: Iterator[ImageSource]) -> Generator[Detections | Failure, None, None]:
        """Each image is decoded and predicted in one of several threads."""
        threads = self._network_threads
        with divided_threads(threads) as begin:
            ahead, name = _AHEAD_OF_EACH_WORKER * threads, "condetr-network"
            work = in_order(self._predicted, sources, threads=threads, ahead=ahead, name=name, begin=begin)
            with closing(work) as results:
                yield from results

    def _predicted(self, source: ImageSource) -> Detections | Failure:
        image = self.prepare(source)
        return image if isinstance(image, Failure) else self.predict_batch([image])[0]

    def _in_batches(self, sources: Iterator[ImageSource]) -> Generator[Detections | Failure, None, None]:
        """Images are decoded in other threads, and predicted in batches in this one."""
        ahead = max(_FEWEST_AHEAD, window_of(self._batch), _AHEAD_OF_EACH_WORKER * self._workers)
        work = in_order(self.prepare, sources, threads=self._workers, ahead=ahead, name="condetr-decode")
        with closing(work) as prepared:
            yield from self.predict_prepared(prepared)

    def predict_prepared(self, images: Iterator["PreparedImage | Failure"]) -> Iterator[Detections | Failure]:
        """The results of images from `prepare`, in order; no more images are taken than are predicted together."""
        while window := list(islice(images, window_of(self._batch))):
            yield from self._results(window)

    def prepare(
        self, source: ImageSource, *, min_score: float | int = 0.0, masks: bool = True
    ) -> "PreparedImage | Failure":
        """Decode and preprocess an image; thread-safe.

        Args:
            source: the image.
            min_score: a further threshold for the scores of this image; not for segments.
            masks: whether instances of this image get masks.
        """
        try:
            image = source.image()
            return PreparedImage(self.with_image(source, image), self._preprocessing.prepare([image]), min_score, masks)
        except CondetrError as error:
            return Failure(source.name, error)

    def with_image(self, source: ImageSource, image: UprightImage) -> ImageSource:
        """The source with its decoded image, if images are kept and there is memory for it."""
        return source if self._budget is None else self._budget.keep(source, image)

    def _results(self, window: Sequence["PreparedImage | Failure"]) -> list[Detections | Failure]:
        results: dict[int, Detections | Failure] = {}
        groups: dict[object, list[tuple[int, PreparedImage]]] = {}
        for position, image in enumerate(window):
            if isinstance(image, Failure):
                results[position] = image
            else:
                groups.setdefault(image.batch_key, []).append((position, image))
        for group in groups.values():
            for start in range(0, len(group), self._batch):
                positions, images = zip(*group[start : start + self._batch], strict=True)
                results.update(zip(positions, self.predict_batch(images), strict=True))
        return [results[position] for position in range(len(window))]

    def predict_batch(self, images: Sequence["PreparedImage"]) -> list[Detections] | list[Failure]:
        """The results of images with one ``batch_key``, in one forward pass.

        Raises:
            ModelError: the output is not finite, or memory ran out.
        """
        try:
            results = self._forward(images)
        except UsageError as error:  # the images are too large for this network
            return [Failure(image.source.name, error.at(source=image.source.name)) for image in images]
        except ModelError as error:
            raise error.at(source=images[0].source.name) from error
        return [self._detections(image, raw) for image, raw in zip(images, results, strict=True)]

    @torch.inference_mode()
    def _forward(self, images: Sequence["PreparedImage"]) -> list[RawDetections]:
        pixels = torch.cat([image.batch.pixels for image in images]).to(self.device, self._dtype)
        padded = not images[0].batch.mask.all()
        mask = torch.cat([image.batch.mask for image in images]).to(self.device) if padded else None
        try:
            return self._run_task(pixels, mask, [image.info for image in images])
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            where = f"with {len(pixels)} images of {pixels.shape[2]}x{pixels.shape[3]}"
            raise out_of_memory(where, hint="lower batch or the image size") from error

    def _detections(self, image: "PreparedImage", raw: RawDetections) -> Detections:
        content = image.source.content
        return Detections(
            boxes=raw.boxes.float().cpu(),
            scores=raw.scores.float().cpu(),
            labels=raw.labels.cpu(),
            names=tuple(self._labels[label] for label in raw.labels.tolist()),
            masks=None if raw.masks is None else raw.masks.cpu(),
            segments=None if raw.segments is None else raw.segments.cpu(),
            size=image.batch.original_sizes[0],
            source=image.source.name,
            picture=None if isinstance(content, CondetrError) else content,
            moment=image.source.moment,
        )


@dataclass(frozen=True, slots=True, eq=False)
class PreparedImage:
    """An image that is ready for the network."""

    source: ImageSource
    batch: Batch
    min_score: float | int = 0.0
    masks: bool = True

    @property
    def batch_key(self) -> object:
        """Equal for images that can share a batch."""
        return tuple(self.batch.pixels.shape), bool(self.batch.mask.all())

    @property
    def info(self) -> ImageInfo:
        (height, width), inside = self.batch.pixels.shape[-2:], self.batch.resized_sizes[0]
        real = (inside[0] / height, inside[1] / width)
        return ImageInfo(self.batch.original_sizes[0], real, self.min_score, self.masks)


def window_of(batch: int) -> int:
    """How many images are grouped into batches at a time; more of them fill batches better."""
    return 1 if batch == 1 else max(batch, min(4 * batch, _MOST_AHEAD))
