"""From a detector, a data set and settings to a run: the parts are made, put together, and let go."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import torch

from condetr.data.augmentation import augmentation_of
from condetr.data.records import Dataset
from condetr.images.preprocessing import Preprocessing
from condetr.model.detector import ConditionalDetr
from condetr.training.backbone_pretraining import pretrain_backbone
from condetr.training.diagnosis import warnings_at_the_start, why_nothing_is_learned
from condetr.training.failure_guard import FailureGuard
from condetr.training.input.data_loader import batches_of_steps
from condetr.training.input.dataset import TrainingDataset
from condetr.training.input.sampling import Sampling, seed_from
from condetr.training.loop import Loop
from condetr.training.optimization.schedule import Schedule
from condetr.training.preparation import (
    batch_size,
    check_fit,
    fingerprint_of,
    largest_size,
    note_on_size,
    overfit_subset,
    resized,
    resume,
    stored_state,
)
from condetr.training.processes import Processes
from condetr.training.progress import Position, Progress
from condetr.training.run.checkpoint_writer import CheckpointWriter, RunContext
from condetr.training.run.events import EventHandler, Noted, Started, Warned, ignore_events
from condetr.training.run.metrics_log import MetricsLog, rows_before
from condetr.training.run.run_folder import RunFolder
from condetr.training.run.run_logger import Journal
from condetr.training.run.sample_sheets import SampleSheets
from condetr.training.settings import TrainingSettings
from condetr.training.train_state import build_learner

Evaluate: TypeAlias = Callable[[ConditionalDetr, Dataset], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Trained:
    """What a finished run leaves.

    Attributes:
        folder: the run's.
        best: the folder of the best model, or of the last one where nothing was measured; ``condetr.load`` reads it.
        metrics: of the last evaluation.
        progress: steps, epochs, what was skipped, the best result.
    """

    folder: Path
    best: Path
    metrics: Mapping[str, float]
    progress: Progress


def train(
    detector: ConditionalDetr,
    dataset: Dataset,
    settings: TrainingSettings,
    folder: RunFolder,
    *,
    preprocessing: Preprocessing,
    validation: Dataset | None = None,
    evaluate: Evaluate | None = None,
    flat: Mapping[str, Any] | None = None,
    origin: Mapping[str, Any] | None = None,
    device: str = "auto",
    command: str = "",
    say: EventHandler = ignore_events,
) -> Trained:
    """Train ``detector`` in place; every process of a distributed run calls it.

    Args:
        detector: with a head for the classes of the data set; when a run is resumed, it gets its weights back.
        dataset: what to learn from.
        settings: how.
        folder: where everything is written; ``run_folder.claimed`` opens it.
        preprocessing: of images when predicting; stored with the model.
        validation: what to measure and show samples of.
        evaluate: gives "ap", by which the best model is chosen, and any other measures; called by every process,
            and the answer of the first counts.
        flat: what else the config.json of the model says.
        origin: what config.yaml says beside the settings: where the model and the data come from.
        device: where; several processes have one each.
        command: how the run was started, for its folder.
        say: hears of everything that happens.

    Raises:
        CondetrError: something about the data, the settings or the device does not fit, or training failed.
    """
    check_fit(detector, dataset, 0 if folder.resumes else settings.pretrain_backbone)
    before, preprocessing = preprocessing, resized(preprocessing, settings.image_size, settings.max_size)
    if settings.overfit:
        dataset = validation = overfit_subset(dataset, settings.overfit)
    processes = Processes(device, trackers=settings.log, folder=folder.path, say=say)
    if not processes.is_first:
        say = ignore_events
    if settings.max_size is None and (note := note_on_size(before, preprocessing)) is not None:
        say(Noted(note))
    processes.agree("settings, network or data", fingerprint_of(settings.to_dict(), dataset, detector.config))
    if not folder.resumes:
        for text in (*folder.notes, *warnings_at_the_start(detector, dataset, settings)):
            say(Warned(text))
        if settings.patience and (evaluate is None or validation is None):
            say(Warned("patience ends nothing, for nothing is measured"))

    stored = stored_state(folder, processes, say)
    if settings.pretrain_backbone and stored is None:
        _name_first(detector, dataset, settings, preprocessing, processes.device, say)
    learner = build_learner(detector, settings, processes)
    largest = largest_size(preprocessing, dataset)
    batch = batch_size(settings, stored, learner, largest, processes, say)
    now = RunContext(settings, dataset.fingerprint(), batch, processes.count, detector.config, preprocessing)
    progress = Progress() if stored is None else resume(stored, learner, now, say)
    sampling = Sampling(len(dataset), settings.seed, batch, settings.accumulate, processes.count, processes.rank)

    keeper = journal_file = showcase = None
    if processes.is_first:
        report, labels = dataset.report.to_dict(), dataset.classes.to_dict()
        folder.describe({**(origin or {}), **settings.to_dict()}, command, str(processes.device), report, labels)
        keeper = CheckpointWriter(folder, learner, dataset.classes, preprocessing, flat or {}, now)
        journal_file = MetricsLog(folder.path, say, rows_before(folder.path, progress, say))
        names = dict(enumerate(dataset.classes.names))
        showcase = SampleSheets(folder, preprocessing, names, validation, settings.task, say)
    loop = Loop(
        settings,
        Schedule(settings.schedule, settings.decay_begins, settings.warmup),
        sampling,
        learner,
        processes,
        FailureGuard(settings.non_finite, settings.unreadable, say),
        Journal(
            processes,
            journal_file,
            showcase,
            partial(why_nothing_is_learned, dataset=dataset, settings=settings),
            say,
            images=len(dataset),
            step_size=sampling.step_size,
        ),
        keeper,
        None if evaluate is None or validation is None else partial(_measured, evaluate, validation),
        say,
    )
    images = _images(dataset, settings, preprocessing)
    pin = processes.device.type == "cuda"
    feed = batches_of_steps(images, sampling, progress.position, settings.epochs, workers=settings.workers, pin=pin)
    steps = sampling.steps_from(progress.position, settings.epochs)
    say(Started(folder.path, settings.epochs, steps, progress.step, sampling.step_size, str(processes.device)))
    processes.start_trackers(settings.to_dict())
    try:
        loop.run(feed if showcase is None else showcase.showing_first(feed), progress)
    finally:
        feed.close()
        processes.end_trackers()
        if journal_file is not None:
            journal_file.sum_up()
        learner.supervised.release()
    return Trained(folder.path, folder.best if progress.best is not None else folder.last, progress.metrics, progress)


def _measured(evaluate: Evaluate, validation: Dataset, detector: ConditionalDetr) -> Mapping[str, float]:
    return evaluate(detector, validation)


def _images(dataset: Dataset, settings: TrainingSettings, preprocessing: Preprocessing) -> TrainingDataset:
    preset = "none" if settings.overfit else settings.augment
    size = preprocessing.size if preprocessing.do_resize else None
    augmentation = augmentation_of(preset, size, flip=settings.flip)
    return TrainingDataset(dataset, augmentation, preprocessing, seed=settings.seed, masks=settings.task != "detect")


def _name_first(
    detector: ConditionalDetr,
    dataset: Dataset,
    settings: TrainingSettings,
    preprocessing: Preprocessing,
    device: torch.device,
    say: EventHandler,
) -> None:
    """All processes do the same, so that nothing needs to be exchanged."""
    torch.manual_seed(seed_from("naming", settings.seed))  # its former name, whose numbers stay
    batch = 16 if settings.batch == "auto" else settings.batch * settings.accumulate
    sampling = Sampling(len(dataset), seed_from("naming", settings.seed), batch)
    epochs = -(-settings.pretrain_backbone // sampling.steps_per_epoch)
    images = _images(dataset, settings, preprocessing)
    feed = batches_of_steps(images, sampling, Position(), epochs, workers=settings.workers, pin=device.type == "cuda")
    try:
        pretrain_backbone(detector, feed, settings.pretrain_backbone, device, say)
    finally:
        feed.close()
