"""Look at every image of a data set and measure what was found."""

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from condetr.core.device import device_of
from condetr.core.distributed import SINGLE_PROCESS, ProcessShard, merge_shards
from condetr.core.errors import DataError, UsageError
from condetr.core.names import Metric, Task
from condetr.data.checks.contact_sheet import evenly_spread
from condetr.data.checks.verdict import require_objects
from condetr.data.discovery.formats import layout_of, read_dataset
from condetr.data.records import Dataset
from condetr.evaluation.class_mapping import ClassMap, match_classes
from condetr.evaluation.collection import Looking
from condetr.evaluation.measure import check_measurable, measure
from condetr.evaluation.predictions_file import read_predictions
from condetr.evaluation.report import PANOPTIC, USUAL, Report
from condetr.evaluation.timing.speed import speed_of
from condetr.images.detections import Detections
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import HeightWidth
from condetr.prediction.predictor import Failure, Predictor
from condetr.prediction.tiling import tiled
from condetr.speed.accelerate import inference_model

_TIMED = 20  # images


def held_out(data: str | Path, split: str | None = None, *, task: Task = "detect") -> Dataset:
    """The split of a data set to measure on: the one that is named, else val, else test, else the only one.

    Raises:
        DataError: there is no such data set or split, it is not for this task, or there is nothing to measure on.
    """
    panoptic = task == "panoptic"
    names = layout_of(data, panoptic=panoptic).names
    chosen = split or next((name for name in ("val", "test") if name in names), None)
    return require_objects(read_dataset(data, chosen, masks=task != "detect", panoptic=panoptic), data)


def usual_metrics(task: Task) -> tuple[Metric, ...]:
    """What is measured where nobody says what."""
    return (*USUAL, *PANOPTIC) if task == "panoptic" else USUAL


def evaluate_detector(
    network: nn.Module,
    dataset: Dataset,
    preprocessing: Preprocessing,
    labels: Mapping[int, str],
    *,
    batch: int = 1,
    device: str | torch.device = "auto",
    top_k: int = 100,
    metrics: Iterable[Metric] | None = None,
    threshold: float = 0.5,
    class_map: ClassMap | None = None,
    task: Task = "detect",
    stuff: Collection[int] | None = None,
    tile: int | HeightWidth | None = None,
    share: ProcessShard = SINGLE_PROCESS,
    on_picture: Callable[[], None] = lambda: None,
) -> Report:
    """Measure a network. ``functools.partial`` makes of it what training calls between epochs.

    Args:
        network: what answers ``(pixels, mask)`` with a Prediction. It is moved to ``device``, and left in the mode,
            training or evaluation, that it came in.
        dataset: the images and what is on them.
        preprocessing: what happens to an image first.
        labels: name of every class id of the network.
        batch: the most images that the network sees at once; they are grouped by shape and never padded together,
            so that the numbers are the same at any.
        device: where it runs; "auto" is the fastest there is.
        top_k: the most detections of an image; COCO counts 100.
        metrics: what to measure besides AP; by default all but speed, and PQ and mIoU of panoptic data.
        threshold: score above which detections count in the confusion matrix and among the errors, and of segments.
        task: "instance" also measures masks, "panoptic" also segments; the data set was read for it.
        stuff: class ids of the network of which an image has one segment at most; by default the data set's.
        tile: also look at parts of the images of this size; see `TiledPredictor`. Not for segments.
        class_map: what the network calls the data set's classes, where their names differ.
        share: of the images, where several processes evaluate together; every one of them gets the report.
        on_picture: called after each image of the share.

    Raises:
        UsageError: the network does not know the data set's classes, or an option is out of its range.
        DataError: there is nothing to find, or no image can be read.
        ModelError: the network's answer is not finite, or memory ran out.
    """
    check_measurable(dataset)
    matched = match_classes(dataset.classes, labels, class_map)
    metrics = set(usual_metrics(task) if metrics is None else metrics)
    was_training, device = network.training, device_of(device)
    if metrics & set(PANOPTIC) and task != "panoptic":
        raise UsageError("pq and miou are of segments", item="metrics", hint='measure with task="panoptic"')
    if tile is not None and task == "panoptic":
        raise UsageError("panoptic segments of tiles cannot be merged", item="tile")
    if stuff is None:
        stuff = [number for number, label in matched.label_of.items() if label in dataset.classes.stuff]
    options: dict[str, Any] = {"batch": batch, "device": device, "top_k": top_k}
    try:
        answers = inference_model(network.to(device).eval(), device)
        boxes = Predictor(
            answers, preprocessing, labels, threshold=0.0, task="detect" if task == "detect" else "instance", **options
        )
        segments = None
        if metrics & set(PANOPTIC):
            segments = Predictor(
                answers, preprocessing, labels, threshold=threshold, task="panoptic", stuff=stuff, **options
            )
        looked = Looking(dataset, matched, tiled(boxes, tile), segments).at(share.positions(len(dataset)), on_picture)
        results = merge_shards(share.gather(looked), len(dataset))
        readable = _readable(dataset, [one.found for one in results])
        paths = [readable[place] for place in evenly_spread(len(readable), _TIMED)]
        speed = speed_of(answers, preprocessing, paths, device=device) if "speed" in metrics else None
    finally:
        network.train(was_training)
    usable = [one for one in results if isinstance(one.found, Detections)]
    return measure(
        dataset,
        [one.found for one in results],
        metrics=metrics,
        threshold=threshold,
        masks=None if task == "detect" else [one.masks for one in usable],
        segments=None if segments is None else [one.segments for one in usable if one.segments is not None],
        speed=speed,
        notes=matched.notes,
    )


def evaluate_predictions(
    path: str | Path,
    dataset: Dataset,
    *,
    metrics: Iterable[Metric] = USUAL,
    threshold: float = 0.5,
    masks: bool = False,
) -> Report:
    """Measure a file of COCO results, whoever wrote it, as pycocotools does.

    With ``masks`` also those, which every row must have; boxes may then be missing.

    Raises:
        DataError: the file does not fit the data set, or there is nothing to find.
        StorageError: the file cannot be read.
    """
    check_measurable(dataset)
    read = read_predictions(path, dataset, masks=masks)
    return measure(
        dataset,
        read.found,
        metrics=metrics,
        threshold=threshold,
        masks=read.masks,
        boxes=read.boxes,
        boxed=read.boxed,
    )


def _readable(dataset: Dataset, results: list[Detections | Failure]) -> list[Path]:
    paths = [one.path for one, result in zip(dataset, results, strict=True) if isinstance(result, Detections)]
    if not paths:
        first = next(one for one in results if isinstance(one, Failure))
        raise DataError(f"no image can be looked at; the first: {first.error.reason}", source=first.source)
    return paths
