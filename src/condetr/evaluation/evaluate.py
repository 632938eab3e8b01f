"""Look at every picture of a data set and measure what was found."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePath

import torch
from torch import nn

from condetr.core.errors import DataError
from condetr.data.detect import layout_of, read_dataset
from condetr.data.grid import evenly_spread
from condetr.data.records import Dataset
from condetr.evaluation.classes import ClassMap, ClassMatch, match_classes
from condetr.evaluation.measure import check_measurable, measure
from condetr.evaluation.predictions_file import read_predictions
from condetr.evaluation.processes import ALONE, Share, merged
from condetr.evaluation.report import USUAL, Metric, Report
from condetr.evaluation.speed import speed_of
from condetr.images.detections import Detections
from condetr.images.preprocessing import Preprocessing
from condetr.prediction.device import device_of
from condetr.prediction.predictor import Failure, Predictor
from condetr.prediction.sources import PictureSource

_TIMED = 20  # pictures


def held_out(data: str | Path, split: str | None = None) -> Dataset:
    """The split of a data set to measure on: the one that is named, else val, else test, else the only one.

    Raises:
        DataError: there is no such data set or split.
    """
    names = layout_of(data).names
    return read_dataset(data, split or next((name for name in ("val", "test") if name in names), None))


def evaluate_detector(
    network: nn.Module,
    dataset: Dataset,
    preprocessing: Preprocessing,
    labels: Mapping[int, str],
    *,
    batch: int = 1,
    device: str | torch.device = "auto",
    top_k: int = 100,
    metrics: Iterable[Metric] = USUAL,
    threshold: float = 0.5,
    class_map: ClassMap | None = None,
    share: Share = ALONE,
    on_picture: Callable[[], None] = lambda: None,
) -> Report:
    """Measure a network. ``functools.partial`` makes of it what training calls between epochs.

    Args:
        network: what answers ``(pixels, mask)`` with a Prediction. It is moved to ``device``, and left in the mode,
            training or evaluation, that it came in.
        dataset: the pictures and what is on them.
        preprocessing: what happens to a picture first.
        labels: name of every class id of the network.
        batch: the most pictures that the network sees at once; they are grouped by shape and never padded together,
            so that the numbers are the same at any.
        device: where it runs; "auto" is the fastest there is.
        top_k: the most detections of a picture; COCO counts 100.
        metrics: what to measure besides AP.
        threshold: score above which detections count in the confusion matrix and among the errors.
        class_map: what the network calls the data set's classes, where their names differ.
        share: of the pictures, where several processes evaluate together; every one of them gets the report.
        on_picture: called after each picture of the share.

    Raises:
        UsageError: the network does not know the data set's classes, or an option is out of its range.
        DataError: there is nothing to find, or no picture can be read.
        ModelError: the network's answer is not finite, or memory ran out.
    """
    check_measurable(dataset)
    matched = match_classes(dataset.classes, labels, class_map)
    metrics, was_training, device = set(metrics), network.training, device_of(device)
    try:
        predictor = Predictor(network, preprocessing, labels, threshold=0.0, top_k=top_k, batch=batch, device=device)
        looked = _looked_at(predictor, dataset, matched, share.positions(len(dataset)), on_picture)
        results = merged(share.gathered(looked), len(dataset))
        readable = _readable(dataset, results)
        paths = [readable[place] for place in evenly_spread(len(readable), _TIMED)]
        speed = speed_of(network, preprocessing, paths, device=device) if "speed" in metrics else None
    finally:
        network.train(was_training)
    return measure(dataset, results, metrics=metrics, threshold=threshold, speed=speed, notes=matched.notes)


def evaluate_predictions(
    path: str | Path, dataset: Dataset, *, metrics: Iterable[Metric] = USUAL, threshold: float = 0.5
) -> Report:
    """Measure a file of COCO results, whoever wrote it.

    Raises:
        DataError: the file does not fit the data set, or there is nothing to find.
        StorageError: the file cannot be read.
    """
    check_measurable(dataset)
    return measure(dataset, read_predictions(path, dataset), metrics=metrics, threshold=threshold)


def _looked_at(
    predictor: Predictor,
    dataset: Dataset,
    matched: ClassMatch,
    positions: Iterable[int],
    on_picture: Callable[[], None],
) -> dict[int, Detections | Failure]:
    positions = list(positions)
    sources = (_source_of(dataset.examples[position].path) for position in positions)
    results: dict[int, Detections | Failure] = {}
    for position, one in zip(positions, predictor.stream(sources, on_error="collect"), strict=True):
        results[position] = matched.translated(one) if isinstance(one, Detections) else one
        on_picture()
    return results


def _source_of(path: Path) -> PictureSource:
    return PictureSource(str(path), PurePath(path.name), path)


def _readable(dataset: Dataset, results: list[Detections | Failure]) -> list[Path]:
    paths = [one.path for one, result in zip(dataset, results, strict=True) if isinstance(result, Detections)]
    if not paths:
        first = next(one for one in results if isinstance(one, Failure))
        raise DataError(f"no picture can be looked at; the first: {first.error.reason}", source=first.source)
    return paths
