"""Images for a person to look at: what the network is shown, and what it says about images it never saw."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
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
FEWEST, MOST = 3, 50  # detections of an image: shown however low they score, and shown at all


class SampleSheets:
    """Writes images into a run folder. What cannot be painted or written is told once, and never ends a run."""

    def __init__(
        self,
        folder: RunFolder,
        preprocessing: Preprocessing,
        labels: Mapping[int, str],
        unseen: Dataset | None,
        task: Task = "detect",
        say: EventHandler = ignore_events,
    ) -> None:
        """``unseen`` are images to show predictions of."""
        self._say, self._failed = say, 0
        self._folder, self._preprocessing, self._labels, self._unseen = folder, preprocessing, labels, unseen
        self._task = task

    def showing_first(self, feed: Iterator[list[TrainingBatch]]) -> Iterator[list[TrainingBatch]]:
        """The same batches; those of the first step are shown as the network sees them."""
        for number, batches in enumerate(feed):
            if number == 0:
                self._save("samples/training.jpg", sheet_of_batches, batches, self._preprocessing, self._labels)
            yield batches

    def show_predictions(self, detector: ConditionalDetr) -> None:
        if self._unseen:
            known = self._preprocessing, self._labels, self._task
            self._save("samples/predictions.jpg", sheet_of_predictions, detector, self._unseen[:SHOWN], *known)

    def show_curves(self, rows: Sequence[Row]) -> None:
        self._save("curves.png", curves_of, rows)

    def sum_up(self) -> None:
        """At the end: how often that happened which was no longer written out."""
        if self._failed > 1:
            self._say(Warned(f"in all {self._failed} images for people to look at were not made"))

    def _save(self, name: str, paint: Callable[..., Image.Image], *given: object) -> None:
        path = self._folder.path / name
        try:
            path.parent.mkdir(exist_ok=True)
            paint(*given).save(path)
        except Exception as error:  # whatever it is, the training is right
            self._failed += 1
            if self._failed == 1:
                said = first_line_of(error)
                self._say(Warned(f"{name} was not made: {said}; training goes on, and more such images are counted"))


def sheet_of_batches(
    batches: Sequence[TrainingBatch], preprocessing: Preprocessing, labels: Mapping[int, str]
) -> Image.Image:
    """The images as the network sees them, varied and resized, with their labels."""
    shown = [
        _painted(image, _truth(target, image.size, labels), _masks_of(target, image), scores=False)
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
    """Every image twice: as it is labeled, and with what is found in it, the best few however low they score.

    Those that cannot be read are told where they are learned from.
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
    results = predictor.stream([example.path for example in dataset], on_error="collect")
    pairs = [
        (_labelled(example, dataset, one), _shown(one))
        for example, one in zip(dataset, results, strict=True)
        if isinstance(one, Detections)
    ]
    tiles = [image for pair in pairs for image in pair]
    return tiled(tiles or [Image.new("RGB", (SIDE, SIDE), PAPER)], COLUMNS, gap=GAP)


def _labelled(example: Example, dataset: Dataset, found: Detections) -> Image.Image:
    """With the masks of its objects where masks were looked for, too."""
    names, image = dataset.classes.names, decode(example.path)
    objects = [Detection(one.box, 1.0, one.label, names[one.label]) for one in example.objects]
    is_masked = found.masks is not None or found.segments is not None
    masks = object_masks(example, example.objects) if is_masked and objects else None
    return captioned(_painted(image, objects, masks, scores=False), f"{dataset.name_of(example)}: labeled")


def _shown(found: Detections) -> Image.Image:
    assert found.source is not None, "what is looked at is a file"
    image, best = decode(Path(found.source)), max(found.scores.tolist(), default=0.0)
    above = found.above(THRESHOLD)
    shown = above if len(above) >= FEWEST or found.segments is not None else found[:FEWEST]
    said = f"found above {THRESHOLD:g}" if len(shown) == len(above) else f"the best {len(shown)} that were found"
    return captioned(_found(image, shown), f"{said}; highest score {best:.2f}" if len(found) else "nothing found")


def _found(image: Image.Image, found: Detections) -> Image.Image:
    if found.segments is not None:
        larger, _ = _enlarged(image)
        return draw_segments(larger, list(found), _resized(found.segments, larger))
    return _painted(image, list(found), found.masks)


def _images_of(batch: TrainingBatch, preprocessing: Preprocessing) -> Iterator[Image.Image]:
    """Back from what the network is fed."""
    mean, std = torch.tensor(preprocessing.image_mean), torch.tensor(preprocessing.image_std)
    for place, normalized in enumerate(batch.pixels):
        height, width = _size_of(batch.mask, place) or tuple(normalized.shape[1:])
        pixels = normalized[:, :height, :width].permute(1, 2, 0)
        if preprocessing.do_normalize:
            pixels = pixels * std + mean
        yield Image.fromarray((pixels * 255).round().clamp(0, 255).byte().numpy())


def _truth(target: Target, size: tuple[int, int], labels: Mapping[int, str]) -> list[Detection]:
    boxes = cxcywh_to_xyxy(target.boxes) * torch.tensor([*size, *size])
    rows = zip(boxes.tolist(), target.labels.tolist(), strict=True)
    return [Detection((x1, y1, x2, y2), 1.0, label, labels[label]) for (x1, y1, x2, y2), label in rows]


def _masks_of(target: Target, image: Image.Image) -> Masks | None:
    return None if target.masks is None else target.masks[:, : image.height, : image.width]


def _size_of(mask: PixelMask | None, place: int) -> tuple[int, int] | None:
    return None if mask is None else (int(mask[place, :, 0].sum()), int(mask[place, 0].sum()))


def _painted(
    image: Image.Image, objects: Sequence[Detection], masks: Masks | None = None, *, scores: bool = True
) -> Image.Image:
    larger, scale = _enlarged(image)
    moved = [Detection(_times(one.box, scale), one.score, one.label, one.name) for one in objects]
    return draw(larger, moved, None if masks is None else _resized(masks, larger), scores=scores)


def _enlarged(image: Image.Image) -> tuple[Image.Image, float]:
    """Or shrunk, so that labels are legible on any image; and by how much."""
    scale = SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BICUBIC), scale


def _resized(regions: Regions, image: Image.Image) -> Regions:
    """Masks or numbers of segments, at the size of an image."""
    rows = torch.arange(image.height) * regions.shape[-2] // image.height
    columns = torch.arange(image.width) * regions.shape[-1] // image.width
    return regions[..., rows[:, None], columns]


def _times(box: Box, scale: float) -> Box:
    x1, y1, x2, y2 = box
    return x1 * scale, y1 * scale, x2 * scale, y2 * scale
