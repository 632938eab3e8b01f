"""A training run: its parts are built from a model, a dataset and settings, then the loop runs them."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from condetr.data.augmentation.own import Augmentation, OwnAugmentation
from condetr.data.augmentation.trial import sizes_to_try, try_augmentation
from condetr.data.records import Dataset
from condetr.images.preprocessing import Preprocessing
from condetr.model.detector import ConditionalDetr
from condetr.training.backbone_pretraining import pretrain_backbone
from condetr.training.diagnosis import explain_no_learning, explain_plateau
from condetr.training.duration.course import Course
from condetr.training.duration.time_budget import TimeBudget
from condetr.training.initial_model import InitialModel
from condetr.training.input.augmentation import augmentation_for
from condetr.training.input.data_loader import batches_of_steps, check_picklable
from condetr.training.input.dataset import TrainingDataset
from condetr.training.input.repeat_factors import draws_per_epoch, image_factors, note_on_repeats
from condetr.training.input.sampling import Sampling, seed_from
from condetr.training.loop import Loop
from condetr.training.preparation import (
    announce,
    batch_size,
    check_fit,
    fingerprint_of,
    largest_size,
    overfit_subset,
    part_to_evaluate,
    resized,
    resume,
    scale_learning_rates,
    stored_state,
)
from condetr.training.processes import Processes
from condetr.training.progress import Position, Progress
from condetr.training.run.callbacks import Callback, Callbacks
from condetr.training.run.checkpoint_writer import CheckpointWriter, RunContext
from condetr.training.run.events import EventHandler, Noted, Started, Warned, ignore_events
from condetr.training.run.metrics_log import MetricsLog, rows_before
from condetr.training.run.run_folder import RunFolder
from condetr.training.run.run_logger import RunFiles, RunLogger
from condetr.training.run.sample_sheets import SampleSheets
from condetr.training.settings import TrainingSettings
from condetr.training.supervision.teacher import Teacher, load_teacher
from condetr.training.train_state import TrainState, build_train_state

Evaluate: TypeAlias = Callable[[ConditionalDetr, Dataset], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Trained:
    """The result of a finished run.

    Attributes:
        folder: the run folder.
        best: the folder of the best model, or of the last one where nothing was evaluated; ``condetr.load`` reads it.
        metrics: of the last evaluation.
        progress: steps, epochs, skipped steps, the best result.
    """

    folder: Path
    best: Path
    metrics: Mapping[str, float]
    progress: Progress


def train(
    initial: InitialModel,
    dataset: Dataset,
    settings: TrainingSettings,
    folder: RunFolder,
    *,
    validation: Dataset | None = None,
    evaluate: Evaluate | None = None,
    device: str = "auto",
    augmentation: Augmentation | None = None,
    callbacks: Sequence[Callback] = (),
    began: float | None = None,
    say: EventHandler = ignore_events,
) -> Trained:
    """Train the detector of ``initial`` in place; every process of a distributed run calls it.

    Args:
        initial: a detector with a head for the classes of the dataset; resuming restores its weights.
        dataset: the training images and labels.
        settings: of training.
        folder: the run folder, opened by ``run_folder.claimed``.
        validation: the dataset to evaluate on and to show samples of.
        evaluate: returns "ap" (the metric that selects the best model) and any other metrics; called on every
            process, and the values of the first count.
        device: where to train; each process of a distributed run has its own.
        augmentation: of the user, where the setting ``augment`` is None.
        callbacks: called with every event after ``say``; they may end the run.
        began: when the command began, on the clock of ``time.monotonic``; a time budget counts from then.
        say: called with every event.

    Raises:
        CondetrError: data, settings or device are unusable, training failed, or a callback.
    """
    say = stop = Callbacks(callbacks, say)
    detector = initial.detector
    check_fit(detector, dataset, 0 if folder.resumes else settings.pretrain_backbone)
    preprocessing = resized(initial.preprocessing, settings.image_size, settings.max_size)
    if settings.overfit:
        dataset = validation = overfit_subset(dataset, settings.overfit)
    measure = None if evaluate is None or validation is None else partial(_evaluated, evaluate, validation)
    began = time.monotonic() if began is None else began
    processes = Processes(device, trackers=settings.log, folder=folder.path, say=say)
    if not processes.is_first:
        say = ignore_events
    processes.agree("settings, network or data", fingerprint_of(settings.to_dict(), dataset, detector.config))
    announce(initial, preprocessing, dataset, settings, folder, say, evaluates=measure is not None)

    teacher = _teacher(settings, dataset, preprocessing, processes.device, say)
    images = training_dataset(dataset, settings, preprocessing, augmentation, say)
    stored = stored_state(folder, processes, say)
    budget = None if settings.minutes is None else TimeBudget(60 * settings.minutes, began)
    if settings.pretrain_backbone and stored is None:
        _pretrain_backbone(detector, images, len(dataset), settings, processes, budget, say)
    state = build_train_state(detector, settings, processes, teacher)
    batch = batch_size(settings, stored, state, largest_size(preprocessing, dataset), processes, say)
    context = RunContext(settings, dataset.fingerprint(), batch, processes.count, detector.config, preprocessing)
    progress = Progress() if stored is None else resume(stored, state, context, say)
    sampling = _sampling(dataset, settings, context, processes, say)
    rates = scale_learning_rates(settings, state.optimizer, sampling.step_size, say)

    if budget is not None:
        evaluated = 0 if measure is None or validation is None else len(validation)
        _prepare_budget(budget, settings, sampling, progress, evaluated)
    files = None
    if processes.is_first:
        files = _run_files(initial, dataset, validation, folder, context, state, progress, processes.device, say)
    diagnoses = partial(explain_no_learning, dataset=dataset, settings=settings), explain_plateau
    logger = RunLogger(processes, sampling, files, diagnoses, say)
    writer = None if files is None else files.checkpoints
    course = Course(settings, sampling, state, processes, budget, progress, say)
    measures_start = stored is None and initial.is_trained
    loop = Loop(
        rates, course, sampling, state, processes, logger, writer, measure, stop, say, measures_start=measures_start
    )
    steps = course.steps_left(progress)
    feed = batches_of_steps(
        images,
        sampling,
        progress.position,
        None if budget is not None else steps,
        workers=settings.workers,
        pin=processes.device.type == "cuda",
    )
    say(Started(folder.path, steps, progress.step, sampling.step_size, str(processes.device)))
    processes.start_trackers(settings.to_dict())
    try:
        loop.run(feed if files is None else files.sheets.saving_first_batches(feed), progress)
    finally:
        feed.close()
        processes.end_trackers()
        logger.report_totals()
        state.supervised.release()
    return Trained(folder.path, folder.best if progress.best is not None else folder.last, progress.metrics, progress)


def _teacher(
    settings: TrainingSettings, dataset: Dataset, preprocessing: Preprocessing, device: torch.device, say: EventHandler
) -> Teacher | None:
    if settings.teacher is None:
        return None
    teacher = load_teacher(settings.teacher, dataset.classes.names, preprocessing, device)
    for text in teacher.notes:
        say(Noted(text))
    return teacher


def _prepare_budget(
    budget: TimeBudget, settings: TrainingSettings, sampling: Sampling, progress: Progress, validation: int
) -> None:
    """Count the time that a resumed run has used, and ``validation`` images to evaluate."""
    budget.began -= progress.seconds
    budget.validation = validation
    if settings.evaluate_every != "auto":
        budget.steps_between = float(settings.evaluate_every * sampling.steps_per_epoch)


def _evaluated(
    evaluate: Evaluate, validation: Dataset, detector: ConditionalDetr, images: int | None = None
) -> Mapping[str, float]:
    return evaluate(detector, validation if images is None else part_to_evaluate(validation, images))


def _run_files(
    initial: InitialModel,
    dataset: Dataset,
    validation: Dataset | None,
    folder: RunFolder,
    context: RunContext,
    state: TrainState,
    progress: Progress,
    device: torch.device,
    say: EventHandler,
) -> RunFiles:
    """Describe the run in its folder, and open the files that it writes."""
    settings, classes = context.settings, dataset.classes
    config = {**initial.origin, **settings.to_dict()}
    folder.describe(config, str(device), dataset.report.to_dict(), classes.to_dict())
    return RunFiles(
        CheckpointWriter(folder, state, classes, initial.flat, context),
        MetricsLog(folder.path, say, rows_before(folder.path, progress, say)),
        SampleSheets(folder, context.preprocessing, dict(enumerate(classes.names)), validation, settings.task, say),
    )


def _sampling(
    dataset: Dataset, settings: TrainingSettings, context: RunContext, processes: Processes, say: EventHandler
) -> Sampling:
    images, factors = len(dataset), tuple[float, ...]()
    if settings.repeat_factor:
        factors = image_factors(dataset, settings.repeat_factor)
        images = draws_per_epoch(factors)
        say(Noted(note_on_repeats(dataset, settings.repeat_factor, images)))
    shares = processes.count, processes.rank
    return Sampling(images, settings.seed, context.batch, context.accumulate, *shares, factors)


def training_dataset(
    dataset: Dataset,
    settings: TrainingSettings,
    preprocessing: Preprocessing,
    own: Augmentation | None = None,
    say: EventHandler = ignore_events,
) -> TrainingDataset:
    """With its augmentation; one of the user is tried on drawn images first."""
    size = preprocessing.size if preprocessing.do_resize and not dataset.keeps_sizes else None
    augmentation, masks = augmentation_for(settings, size, own), settings.task != "detect"
    if isinstance(augmentation, OwnAugmentation):
        check_picklable(augmentation, settings.workers)
        sizes = sizes_to_try((height, width) for height, width in np.unique(dataset.columns.sizes, axis=0).tolist())
        for text in try_augmentation(augmentation, sizes, masks=masks):
            say(Warned(text))
        if settings.min_visibility is not None:
            say(Warned("min_visibility has no effect on an augmentation of your own"))
    return TrainingDataset(dataset, augmentation, preprocessing, seed=settings.seed, masks=masks)


def _pretrain_backbone(
    detector: ConditionalDetr,
    images: TrainingDataset,
    count: int,
    settings: TrainingSettings,
    processes: Processes,
    budget: TimeBudget | None,
    say: EventHandler,
) -> None:
    """Every process computes the same, so that nothing needs to be exchanged."""
    device = processes.device
    seed = seed_from("naming", settings.seed)  # its former name: another word would change every run
    torch.manual_seed(seed)
    batch = 16
    if settings.batch != "auto" and settings.accumulate != "auto":
        batch = settings.batch * settings.accumulate
    sampling = Sampling(count, seed, batch)
    steps = settings.pretrain_backbone
    feed = batches_of_steps(images, sampling, Position(), steps, workers=settings.workers, pin=device.type == "cuda")

    def fitting(step: int, seconds: float) -> int:
        return steps if budget is None else processes.from_first(budget.pretraining_steps(steps, step, seconds))

    try:
        pretrain_backbone(detector, feed, steps, device, say, fitting)
    finally:
        feed.close()
