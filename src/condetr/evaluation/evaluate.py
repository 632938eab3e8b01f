"""Evaluate a network, or a file of predictions, on a dataset."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
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
from condetr.data.stored_images import StoredImage
from condetr.evaluation.class_mapping import ClassMap, match_classes
from condetr.evaluation.collection import ImageResult, ResultCollector
from condetr.evaluation.layers import LayerCollector, layered
from condetr.evaluation.measure import check_measurable, measure
from condetr.evaluation.predictions_file import read_predictions
from condetr.evaluation.report import DEFAULT_METRICS, PANOPTIC_METRICS, Report
from condetr.evaluation.timing.speed import speed_of
from condetr.images.detections import Detections
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import HeightWidth
from condetr.prediction.predictor import Failure, Predictor
from condetr.prediction.tiling import tiled
from condetr.speed.accelerate import inference_model

_TIMED = 20  # images


def held_out(data: str | Path, split: str | None = None, *, task: Task = "detect") -> Dataset:
    """The split of a dataset to evaluate on: ``split``, else val, else test, else the only one.

    Where there is no val, ``split="val"`` is the tenth of the images that a training holds out.

    Raises:
        DataError: there is no such dataset or split, it does not fit the task, or it has no images.
    """
    masks, panoptic = task != "detect", task == "panoptic"
    names = layout_of(data, panoptic=panoptic).names
    if split == "val" and "val" not in names:
        from condetr.data.train_val import train_val_of  # slow: imports torchvision and torch's compiler

        parts = train_val_of(data, masks=masks, panoptic=panoptic)
        if parts.val is not None:
            return replace(parts.val, split=f"val, held out of {parts.train.split}")
    chosen = split or next((name for name in ("val", "test") if name in names), None)
    return require_objects(read_dataset(data, chosen, masks=masks, panoptic=panoptic), data)


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
    """Evaluate a network; training calls it between epochs.

    Args:
        network: maps ``(pixels, mask)`` to a Prediction. It is moved to ``device``; its mode, training or evaluation,
            is restored afterwards.
        dataset: images and annotations.
        preprocessing: of images.
        labels: name of every class id of the network.
        batch: the most images in a forward pass; images are grouped by shape and never padded together, so the
            numbers are the same with any batch.
        device: "auto" is the fastest that is available.
        top_k: the most detections per image; COCO counts 100.
        metrics: measured besides AP; by default all but layers and speed, and PQ and mIoU for panoptic data only.
        threshold: score above which detections count in the confusion matrix and the errors, and as segments.
        task: "instance" also measures masks, "panoptic" also segments; the dataset must be read for it.
        stuff: class ids of the network with at most one segment per image; by default those of the dataset.
        tile: also predict on tiles of this size; see `TiledPredictor`. Not for segments.
        class_map: the network's names of the dataset's classes, where they differ.
        share: of the images, where several processes evaluate together; each of them returns the whole report.
        on_picture: called after each image of the share.

    Raises:
        UsageError: the network lacks a class of the dataset, or an option is out of its range.
        DataError: the dataset has no objects, or no image can be read.
        ModelError: the network's output is not finite, or memory ran out.
    """
    check_measurable(dataset)
    matched = match_classes(dataset.classes, labels, class_map)
    if metrics is None:
        metrics = (*DEFAULT_METRICS, *PANOPTIC_METRICS) if task == "panoptic" else DEFAULT_METRICS
    metrics = set(metrics)
    was_training, device = network.training, device_of(device)
    if metrics & set(PANOPTIC_METRICS) and task != "panoptic":
        raise UsageError("pq and miou need segments", item="metrics", hint='evaluate with task="panoptic"')
    if tile is not None and task == "panoptic":
        raise UsageError("panoptic segments of tiles cannot be merged", item="tile")
    if tile is not None and "layers" in metrics:
        raise UsageError("the detections of decoder layers are of whole images", item="tile")
    if stuff is None:
        stuff = [number for number, label in matched.label_of.items() if label in dataset.classes.stuff]
    options: dict[str, Any] = {"batch": batch, "device": device, "top_k": top_k}
    try:
        model = inference_model(network.to(device).eval(), device)
        boxes = Predictor(
            model, preprocessing, labels, threshold=0.0, task="detect" if task == "detect" else "instance", **options
        )
        segments = None
        if metrics & set(PANOPTIC_METRICS):
            segments = Predictor(
                model, preprocessing, labels, threshold=threshold, task="panoptic", stuff=stuff, **options
            )
        layers = None
        if "layers" in metrics:
            layers = LayerCollector(layered(model), preprocessing, labels, dataset, matched, device=device, top_k=top_k)
        collector = ResultCollector(dataset, matched, tiled(boxes, tile), segments)
        positions = share.positions(len(dataset))
        collected = collector.collect(
            _by_size(dataset, positions, preprocessing) if batch > 1 else positions, on_picture
        )
        results = merge_shards(share.gather(collected), len(dataset))
        of_layers = None
        if layers is not None:
            found = merge_shards(share.gather(layers.collect(positions)), len(dataset))
            of_layers = [each for each, result in zip(found, results, strict=True) if _is_usable(result)]
        readable = _readable(dataset, [result.detections for result in results])
        images = [readable[position] for position in evenly_spread(len(readable), _TIMED)]
        speed = speed_of(model, preprocessing, images, device=device) if "speed" in metrics else None
    finally:
        network.train(was_training)
    usable = [result for result in results if _is_usable(result)]
    return measure(
        dataset,
        [result.detections for result in results],
        metrics=metrics,
        threshold=threshold,
        masks=None if task == "detect" else [result.masks for result in usable],
        segments=None if segments is None else [result.segments for result in usable if result.segments is not None],
        layers=of_layers,
        speed=speed,
        notes=matched.notes,
    )


def evaluate_predictions(
    path: str | Path,
    dataset: Dataset,
    *,
    metrics: Iterable[Metric] = DEFAULT_METRICS,
    threshold: float = 0.5,
    masks: bool = False,
) -> Report:
    """Evaluate a file of COCO results as pycocotools does.

    With ``masks``, every row must have a mask, and may lack a box.

    Raises:
        DataError: the file does not fit the dataset, or the dataset has no objects.
        StorageError: the file cannot be read.
    """
    check_measurable(dataset)
    predictions = read_predictions(path, dataset, masks=masks)
    return measure(
        dataset,
        predictions.detections,
        metrics=metrics,
        threshold=threshold,
        masks=predictions.masks,
        boxes=predictions.boxes,
        boxed=predictions.boxed,
    )


def _by_size(dataset: Dataset, positions: Iterable[int], preprocessing: Preprocessing) -> list[int]:
    """Images that have one size after preprocessing side by side, so that they fill batches."""
    sizes = dataset.columns.sizes.tolist()
    return sorted(positions, key=lambda position: preprocessing.fit((sizes[position][0], sizes[position][1])))


def _is_usable(result: ImageResult) -> bool:
    return isinstance(result.detections, Detections)


def _readable(dataset: Dataset, results: list[Detections | Failure]) -> list[Path | StoredImage]:
    images = [example.image for example, result in zip(dataset, results, strict=True) if isinstance(result, Detections)]
    if not images:
        first = next(result for result in results if isinstance(result, Failure))
        raise DataError(f"no image can be read; the first: {first.error.reason}", source=first.source)
    return images
