"""Sheets of sample images: training images as the network sees them, and predictions on validation images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias, TypeVar

import torch
from jaxtyping import Bool, Int32
from PIL import Image
from torch import Tensor

from condetr.charts.sheet import PAPER, tiled
from condetr.core.boxes import cxcywh_to_xyxy
from condetr.core.errors import first_line_of
from condetr.core.names import Task
from condetr.core.records import Target
from condetr.core.shapes import PixelMask
from condetr.data.batches import TrainingBatch
from condetr.data.object_masks import object_masks
from condetr.data.records import Box, Dataset, Example
from condetr.images.decoding.decode import decode
from condetr.images.detection import Detection
from condetr.images.detections import Detections
from condetr.images.drawing.draw import draw, draw_segments
from condetr.images.drawing.marks import captioned
from condetr.images.preprocessing import Preprocessing
from condetr.model.detector import ConditionalDetr
from condetr.prediction.input.labeled_images import labeled_images
from condetr.prediction.predictor import Predictor
from condetr.training.run.curves import curves_of
from condetr.training.run.events import EventHandler, Warned, ignore_events
from condetr.training.run.metrics_log import Row
from condetr.training.run.run_folder import RunFolder

Masks: TypeAlias = Bool[Tensor, "objects _height _width"]
Segments: TypeAlias = Int32[Tensor, "_height _width"]
Regions = TypeVar("Regions", Masks, Segments)
SIDE = 400  # pixels of the longer edge of an image on a sheet
GAP = 8
COLUMNS = 4
SHOWN = 8  # images
THRESHOLD = 0.3
FEWEST, MOST = 3, 50  # detections of an image: shown whatever their scores, and shown in total


class SampleSheets:
    """Writes sheets and charts into a run folder; a failure is reported once, and never ends a run."""

    def __init__(
        self,
        folder: RunFolder,
        preprocessing: Preprocessing,
        labels: Mapping[int, str],
        validation: Dataset | None,
        task: Task = "detect",
        say: EventHandler = ignore_events,
    ) -> None:
        """``validation`` has the images to show predictions on."""
        self._say, self._failed = say, 0
        self._folder, self._preprocessing, self._labels, self._validation = folder, preprocessing, labels, validation
        self._task = task

    def saving_first_batches(self, feed: Iterator[list[TrainingBatch]]) -> Iterator[list[TrainingBatch]]:
        """Pass the batches on; those of the first step are saved as a sheet."""
        for number, batches in enumerate(feed):
            if number == 0:
                self._save("samples/training.jpg", sheet_of_batches, batches, self._preprocessing, self._labels)
            yield batches

    def save_predictions(self, detector: ConditionalDetr) -> None:
        if self._validation:
            arguments = detector, self._validation[:SHOWN], self._preprocessing, self._labels, self._task
            self._save("samples/predictions.jpg", sheet_of_predictions, *arguments)

    def save_curves(self, rows: Sequence[Row]) -> None:
        self._save("curves.png", curves_of, rows)

    def report_totals(self) -> None:
        """At the end: the number of failures, where they were no longer reported."""
        if self._failed > 1:
            self._say(Warned(f"in total {self._failed} charts and sample sheets could not be written"))

    def _save(self, name: str, paint: Callable[..., Image.Image], *arguments: object) -> None:
        path = self._folder.path / name
        try:
            path.parent.mkdir(exist_ok=True)
            paint(*arguments).save(path)
        except Exception as error:  # of any kind: training does not depend on it
            self._failed += 1
            if self._failed == 1:
                reason = f"{name} could not be written: {first_line_of(error)}"
                self._say(Warned(f"{reason}; training continues, and further failures are only counted"))


def sheet_of_batches(
    batches: Sequence[TrainingBatch], preprocessing: Preprocessing, labels: Mapping[int, str]
) -> Image.Image:
    """The images as the network sees them, augmented and resized, with their labels."""
    shown = [
        _painted(image, _labels_of(target, image.size, labels), _masks_of(target, image), scores=False)
        for batch in batches
        for image, target in zip(_images_of(batch, preprocessing), batch.targets, strict=True)
    ]
    return tiled(shown[:SHOWN], COLUMNS, gap=GAP)


def sheet_of_predictions(
    detector: ConditionalDetr,
    dataset: Dataset,
    preprocessing: Preprocessing,
    labels: Mapping[int, str],
    task: Task = "detect",
) -> Image.Image:
    """Every image twice: with its ground truth, and with its detections, the best few whatever their scores.

    Unreadable images are left out; training reports them.
    """
    predictor = Predictor(
        detector,
        preprocessing,
        labels,
        threshold=THRESHOLD if task == "panoptic" else 0.0,
        top_k=MOST,
        device=next(detector.parameters()).device,
        task=task,
        stuff=dataset.classes.stuff,
    )
    results = predictor.stream(labeled_images(dataset), on_error="collect")
    pairs = [
        (_ground_truth(example, dataset, result), _best_detections(example, result))
        for example, result in zip(dataset, results, strict=True)
        if isinstance(result, Detections)
    ]
    tiles = [image for pair in pairs for image in pair]
    return tiled(tiles or [Image.new("RGB", (SIDE, SIDE), PAPER)], COLUMNS, gap=GAP)


def _ground_truth(example: Example, dataset: Dataset, detections: Detections) -> Image.Image:
    """With the masks of its objects where the detections have some, too."""
    names, image = dataset.classes.names, decode(example.image)
    objects = [Detection(thing.box, 1.0, thing.label, names[thing.label]) for thing in example.objects]
    is_masked = detections.masks is not None or detections.segments is not None
    masks = object_masks(example, example.objects) if is_masked and objects else None
    return captioned(_painted(image, objects, masks, scores=False), f"{dataset.name_of(example)}: labeled")


def _best_detections(example: Example, detections: Detections) -> Image.Image:
    image, best = decode(example.image), max(detections.scores.tolist(), default=0.0)
    above = detections.above(THRESHOLD)
    shown = above if len(above) >= FEWEST or detections.segments is not None else detections[:FEWEST]
    text = f"detections above {THRESHOLD:g}" if len(shown) == len(above) else f"the {len(shown)} best detections"
    return captioned(
        _with_detections(image, shown), f"{text}; highest score {best:.2f}" if len(detections) else "nothing detected"
    )


def _with_detections(image: Image.Image, detections: Detections) -> Image.Image:
    if detections.segments is not None:
        larger, _ = _enlarged(image)
        return draw_segments(larger, list(detections), _resized(detections.segments, larger))
    return _painted(image, list(detections), detections.masks)


def _images_of(batch: TrainingBatch, preprocessing: Preprocessing) -> Iterator[Image.Image]:
    """The images of a batch, without normalization and padding."""
    mean, std = torch.tensor(preprocessing.image_mean), torch.tensor(preprocessing.image_std)
    for number, normalized in enumerate(batch.pixels):
        height, width = _size_of(batch.mask, number) or tuple(normalized.shape[1:])
        pixels = normalized[:, :height, :width].permute(1, 2, 0)
        if preprocessing.do_normalize:
            pixels = pixels * std + mean
        yield Image.fromarray((pixels * 255).round().clamp(0, 255).byte().numpy())


def _labels_of(target: Target, size: tuple[int, int], labels: Mapping[int, str]) -> list[Detection]:
    boxes = cxcywh_to_xyxy(target.boxes) * torch.tensor([*size, *size])
    rows = zip(boxes.tolist(), target.labels.tolist(), strict=True)
    return [Detection((x1, y1, x2, y2), 1.0, label, labels[label]) for (x1, y1, x2, y2), label in rows]


def _masks_of(target: Target, image: Image.Image) -> Masks | None:
    return None if target.masks is None else target.masks[:, : image.height, : image.width]


def _size_of(mask: PixelMask | None, number: int) -> tuple[int, int] | None:
    return None if mask is None else (int(mask[number, :, 0].sum()), int(mask[number, 0].sum()))


def _painted(
    image: Image.Image, objects: Sequence[Detection], masks: Masks | None = None, *, scores: bool = True
) -> Image.Image:
    larger, scale = _enlarged(image)
    scaled = [Detection(_times(thing.box, scale), thing.score, thing.label, thing.name) for thing in objects]
    return draw(larger, scaled, None if masks is None else _resized(masks, larger), scores=scores)


def _enlarged(image: Image.Image) -> tuple[Image.Image, float]:
    """Enlarged or shrunk, so that labels are legible on any image; and the scale."""
    scale = SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BICUBIC), scale


def _resized(regions: Regions, image: Image.Image) -> Regions:
    """Masks or a segment map at the size of an image."""
    rows = torch.arange(image.height) * regions.shape[-2] // image.height
    columns = torch.arange(image.width) * regions.shape[-1] // image.width
    return regions[..., rows[:, None], columns]


def _times(box: Box, scale: float) -> Box:
    x1, y1, x2, y2 = box
    return x1 * scale, y1 * scale, x2 * scale, y2 * scale
