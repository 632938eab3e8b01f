"""Any images in, their detections out: in order, each as if it had been alone."""

import difflib
from collections import deque
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

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
from condetr.prediction.image_budget import ImageBudget
from condetr.prediction.sources import ImageSource, images_in
from condetr.prediction.tasks import Frame, RawDetections, TaskOptions, task_runner
from condetr.speed.accelerate import NONE, AccelerationOptions, inference_model

_DIGITS = 9  # of a class id; Python refuses to parse numbers of thousands of digits
_FEWEST_AHEAD, _MOST_AHEAD = 2, 32  # images decoded while the network is busy


@dataclass(frozen=True, slots=True)
class Failure:
    """An image without a result, and why."""

    source: str
    error: CondetrError

    def to_dict(self) -> dict[str, str | None]:
        return self.error.to_dict() | {"source": self.source}


class Predictor:
    """Runs a detector over images.

    Images are never padded together: those that come out of the preprocessing at one size share a batch, the
    others do not, so that the result for an image does not depend on its neighbors.
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
    ) -> None:
        """Get ready.

        Args:
            detector: what answers ``(pixels, mask)`` with a Prediction; moved to ``device``, in evaluation mode.
            preprocessing: what happens to an image first.
            labels: name of every class id.
            threshold: detections that score at or below it are left out.
            top_k: the most detections of an image.
            batch: the most images that the network sees at once.
            device: where it runs; "auto" is the fastest there is.
            classes: names or ids of the classes to look for; the others are left out.
            task: "detect" boxes; "instance": with a mask each; "panoptic": every pixel belongs to one segment at most.
            mask_threshold: probability that a pixel must reach to be covered by a mask.
            overlap: panoptic: segments that better ones leave this share of their area, or less, are left out.
            stuff: panoptic: ids of classes of which an image has one segment at most.
            fast: run an accelerated copy of a Conditional DETR (`condetr.speed.accelerate`).
            acceleration: precision of that copy, and whether it is compiled.
            keep_pictures: hand the decoded image on with its result, as far as memory is meant for it, so that
                drawing need not decode it again.

        Raises:
            UsageError: an option is out of its range, a task needs a mask head and there is none, or the device is
                slower with the precision.
        """
        for name, share in (("threshold", threshold), ("mask_threshold", mask_threshold), ("overlap", overlap)):
            if not 0 <= share <= 1:
                raise UsageError(f"is {share}, expected a number from 0 to 1", item=name)
        for name, value in (("top_k", top_k), ("batch", batch)):
            if value < 1:
                raise UsageError(f"is {value}, expected a whole number of at least 1", item=name)
        self.device = device_of(device)
        detector = detector.to(self.device).eval()
        self._dtype = next((p.dtype for p in detector.parameters() if p.is_floating_point()), torch.float32)
        self.task = task
        self._detector = inference_model(detector, self.device, acceleration) if fast else detector
        self._preprocessing = preprocessing
        self._labels = dict(labels)
        self._batch = batch
        self._budget = ImageBudget() if keep_pictures else None
        wanted = None if classes is None else class_ids(classes, labels)
        asked = TaskOptions(
            task=task,
            threshold=threshold,
            top_k=top_k,
            wanted=wanted,
            mask_threshold=mask_threshold,
            overlap=overlap,
            stuff=stuff,
        )
        self._asked, self._find = asked, task_runner(self._detector, asked)

    @property
    def gives_masks(self) -> bool:
        return self.task == "instance"

    def mask_bytes(self, image: "Prepared") -> int:
        """The most that the masks of an image may take in memory."""
        height, width = image.frame.size
        return self._asked.top_k * height * width if self.gives_masks and image.masks else 0

    def predict(self, given: object, *, on_error: str = "raise") -> list[Detections | Failure]:
        """The detections of every image of ``given``; see ``stream``."""
        return list(self.stream(given, on_error=on_error))

    def stream(self, given: object, *, on_error: str = "raise") -> Generator[Detections | Failure, None, None]:
        """One result per image, in order, while later images are being decoded.

        Args:
            given: whatever ``pictures_in`` takes, or what it gave.
            on_error: "raise" what is wrong with an image, or "collect" it as the Failure that stands in its place.
                What is wrong with the model is always raised.
        """
        if on_error not in ("raise", "collect"):
            raise UsageError(f"is {on_error!r}, expected 'raise' or 'collect'", item="on_error")
        with closing(self._prepared_ahead(images_in(given))) as prepared:
            while window := list(islice(prepared, self._window)):
                for result in self._results(window):
                    if isinstance(result, Failure) and on_error == "raise":
                        raise result.error
                    yield result

    @property
    def _window(self) -> int:
        """How many images are sorted into batches together; more of them fill batches better."""
        return 1 if self._batch == 1 else max(self._batch, min(4 * self._batch, _MOST_AHEAD))

    def _prepared_ahead(self, sources: Iterator[ImageSource]) -> Generator["Prepared | Failure", None, None]:
        """A thread of its own decodes, so that the network never waits, nor memory fills."""
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="condetr-decode") as pool:
            waiting: deque[Future[Prepared | Failure]] = deque()
            try:
                for source in sources:
                    waiting.append(pool.submit(self.prepare, source))
                    if len(waiting) > max(_FEWEST_AHEAD, self._window):
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def prepare(self, source: ImageSource, *, least: float | int = 0.0, masks: bool = True) -> "Prepared | Failure":
        """An image decoded and as large as the network wants it; several threads may do this at once.

        Args:
            source: the image.
            least: leave out of its result what scores at or below it, where the predictor would not; not of segments.
            masks: whether instances of this image are wanted with a mask each.
        """
        try:
            image = source.image()
            return Prepared(self.kept(source, image), self._preprocessing.prepare([image]), least, masks)
        except CondetrError as error:
            return Failure(source.name, error)

    def kept(self, source: ImageSource, image: UprightImage) -> ImageSource:
        """The source with its decoded image, where that is wanted and there is room."""
        return source if self._budget is None else self._budget.keep(source, image)

    def _results(self, window: Sequence["Prepared | Failure"]) -> list[Detections | Failure]:
        results: dict[int, Detections | Failure] = {}
        alike: dict[object, list[tuple[int, Prepared]]] = {}
        for position, one in enumerate(window):
            if isinstance(one, Failure):
                results[position] = one
            else:
                alike.setdefault(one.kind, []).append((position, one))
        for group in alike.values():
            for start in range(0, len(group), self._batch):
                positions, images = zip(*group[start : start + self._batch], strict=True)
                results.update(zip(positions, self.look(images), strict=True))
        return [results[position] for position in range(len(window))]

    def look(self, images: Sequence["Prepared"]) -> list[Detections] | list[Failure]:
        """The results of images of one kind, looked at together.

        Raises:
            ModelError: the network gives no finite numbers, or there is no memory for so many.
        """
        try:
            found = self._found(images)
        except UsageError as error:  # they are too large for this network
            return [Failure(image.source.name, error.at(source=image.source.name)) for image in images]
        except ModelError as error:
            raise error.at(source=images[0].source.name) from error
        return [self._detections(image, one) for image, one in zip(images, found, strict=True)]

    @torch.inference_mode()
    def _found(self, images: Sequence["Prepared"]) -> list[RawDetections]:
        pixels = torch.cat([image.batch.pixels for image in images]).to(self.device, self._dtype)
        padded = not images[0].batch.mask.all()
        mask = torch.cat([image.batch.mask for image in images]).to(self.device) if padded else None
        try:
            return self._find(pixels, mask, [image.frame for image in images])
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            where = f"with {len(pixels)} images of {pixels.shape[2]}x{pixels.shape[3]}"
            raise out_of_memory(where, hint="lower batch or the image size") from error

    def _detections(self, image: "Prepared", found: RawDetections) -> Detections:
        content = image.source.content
        return Detections(
            boxes=found.boxes.float().cpu(),
            scores=found.scores.float().cpu(),
            labels=found.labels.cpu(),
            names=tuple(self._labels[label] for label in found.labels.tolist()),
            masks=None if found.masks is None else found.masks.cpu(),
            segments=None if found.segments is None else found.segments.cpu(),
            size=image.batch.original_sizes[0],
            source=image.source.name,
            picture=None if isinstance(content, CondetrError) else content,
            moment=image.source.moment,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """An image that is ready for the network."""

    source: ImageSource
    batch: Batch
    least: float | int = 0.0
    masks: bool = True

    @property
    def kind(self) -> object:
        """Equal for images that may share a batch."""
        return tuple(self.batch.pixels.shape), bool(self.batch.mask.all())

    @property
    def frame(self) -> Frame:
        (height, width), inside = self.batch.pixels.shape[-2:], self.batch.resized_sizes[0]
        real = (inside[0] / height, inside[1] / width)
        return Frame(self.batch.original_sizes[0], real, self.least, self.masks)


def class_ids(classes: Sequence[str | int], labels: Mapping[int, str]) -> list[int]:
    """The ids of classes given by name or id, sorted. Digits that are not the name of a class are an id.

    Raises:
        UsageError: the model has no such class; suggests the nearest names.
    """
    if not classes:
        raise UsageError("is empty, expected names or ids", item="classes", hint="leave it out to detect every class")
    return sorted({number for name in classes for number in _ids_of(name, labels)})


def _ids_of(name: str | int, labels: Mapping[int, str]) -> list[int]:
    if ids := [number for number, label in labels.items() if label == name]:
        return ids
    is_id = isinstance(name, int) or (name.isdecimal() and len(name) <= _DIGITS)
    if is_id and int(name) in labels:
        return [int(name)]
    near = difflib.get_close_matches(str(name), labels.values(), n=3)
    hint = f"the nearest: {', '.join(near)}" if near else f"it has {len(labels)} classes, ids 0 to {max(labels)}"
    raise UsageError(f"the model has no class {name!r}", item="classes", hint=hint)
