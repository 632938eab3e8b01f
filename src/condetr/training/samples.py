"""Pictures for a person to look at: what the network is shown, and what it says about pictures it never saw."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import torch
from PIL import Image

from condetr.core.boxes import cxcywh_to_xyxy
from condetr.core.errors import ImageError
from condetr.core.records import Target
from condetr.core.shapes import PixelMask
from condetr.data.batches import TrainingBatch
from condetr.data.records import Box, Dataset
from condetr.images.decode import decode
from condetr.images.detection import Detection
from condetr.images.draw import draw
from condetr.images.preprocessing import Preprocessing
from condetr.images.scoring import detections_of
from condetr.model.detector import ConditionalDetr
from condetr.training.run_folder import RunFolder

SIDE = 400  # pixels of the longer edge of a picture on a sheet
GAP = 8
COLUMNS = 4
SHOWN = 8  # pictures
THRESHOLD = 0.3


class Showcase:
    """Writes pictures into a run folder; a full disk leaves it without, which the log complains about."""

    def __init__(
        self,
        folder: RunFolder,
        preprocessing: Preprocessing,
        labels: Mapping[int, str],
        unseen: Dataset | None,
    ) -> None:
        """``unseen`` are pictures to show predictions of."""
        self._folder, self._preprocessing, self._labels, self._unseen = folder, preprocessing, labels, unseen

    def showing_first(self, feed: Iterator[list[TrainingBatch]]) -> Iterator[list[TrainingBatch]]:
        """The same batches; those of the first step are shown as the network sees them."""
        for number, batches in enumerate(feed):
            if number == 0:
                sheet = sheet_of_batches(batches, self._preprocessing, self._labels)
                self._save(sheet, "samples/training.jpg")
            yield batches

    def show_predictions(self, detector: ConditionalDetr) -> None:
        if self._unseen:
            chosen = self._unseen[:SHOWN]
            sheet = sheet_of_predictions(detector, chosen, self._preprocessing, self._labels)
            self._save(sheet, "samples/predictions.jpg")

    def show_curves(self, sheet: Image.Image) -> None:
        self._save(sheet, "curves.png")

    def _save(self, sheet: Image.Image, name: str) -> None:
        path = self._folder.path / name
        with suppress(OSError):
            path.parent.mkdir(exist_ok=True)
            sheet.save(path)


def sheet_of_batches(
    batches: Sequence[TrainingBatch], preprocessing: Preprocessing, labels: Mapping[int, str]
) -> Image.Image:
    """The pictures as the network sees them, varied and resized, with their labels."""
    shown = [
        _painted(picture, _truth(target, picture.size, labels))
        for batch in batches
        for picture, target in zip(_pictures_of(batch, preprocessing), batch.targets, strict=True)
    ]
    return _sheet(shown[:SHOWN])


@torch.no_grad()
def sheet_of_predictions(
    detector: ConditionalDetr, dataset: Dataset, preprocessing: Preprocessing, labels: Mapping[int, str]
) -> Image.Image:
    """Every picture with what is found in it."""
    device = next(detector.parameters()).device
    detector.eval()
    shown = []
    for example in dataset:
        try:
            picture = decode(example.path)
        except ImageError:  # said where it is learned from or measured
            continue
        batch = preprocessing.prepare([picture])
        prediction = detector(batch.pixels.to(device))
        sizes = batch.original_sizes
        (scored,) = detections_of(prediction.logits, prediction.boxes, sizes, threshold=THRESHOLD)
        rows = zip(scored.boxes.tolist(), scored.scores.tolist(), scored.labels.tolist(), strict=True)
        found = [Detection((x1, y1, x2, y2), score, label, labels[label]) for (x1, y1, x2, y2), score, label in rows]
        shown.append(_painted(picture, found))
    return _sheet(shown)


def _pictures_of(batch: TrainingBatch, preprocessing: Preprocessing) -> Iterator[Image.Image]:
    """Back from what the network is fed."""
    mean, std = torch.tensor(preprocessing.image_mean), torch.tensor(preprocessing.image_std)
    for place, normalised in enumerate(batch.pixels):
        height, width = _size_of(batch.mask, place) or tuple(normalised.shape[1:])
        pixels = normalised[:, :height, :width].permute(1, 2, 0)
        if preprocessing.do_normalize:
            pixels = pixels * std + mean
        yield Image.fromarray((pixels * 255).round().clamp(0, 255).byte().numpy())


def _truth(target: Target, size: tuple[int, int], labels: Mapping[int, str]) -> list[Detection]:
    boxes = cxcywh_to_xyxy(target.boxes) * torch.tensor([*size, *size])
    rows = zip(boxes.tolist(), target.labels.tolist(), strict=True)
    return [Detection((x1, y1, x2, y2), 1.0, label, labels[label]) for (x1, y1, x2, y2), label in rows]


def _size_of(mask: PixelMask | None, place: int) -> tuple[int, int] | None:
    return None if mask is None else (int(mask[place, :, 0].sum()), int(mask[place, 0].sum()))


def _painted(picture: Image.Image, objects: Sequence[Detection]) -> Image.Image:
    """Enlarged or shrunk first, so that labels are legible on any picture."""
    scale = SIDE / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    moved = [Detection(_times(one.box, scale), one.score, one.label, one.name) for one in objects]
    return draw(picture.resize(size, Image.Resampling.BICUBIC), moved)


def _times(box: Box, scale: float) -> Box:
    x1, y1, x2, y2 = box
    return x1 * scale, y1 * scale, x2 * scale, y2 * scale


def _sheet(pictures: Sequence[Image.Image]) -> Image.Image:
    columns = max(1, min(COLUMNS, len(pictures)))
    pitch = SIDE + GAP
    rows = max(1, -(-len(pictures) // columns))
    sheet = Image.new("RGB", (columns * pitch - GAP, rows * pitch - GAP), "white")
    for place, picture in enumerate(pictures):
        sheet.paste(picture, (place % columns * pitch, place // columns * pitch))
    return sheet
