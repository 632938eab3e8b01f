"""What is settled before the first step: data, image size, batch size, and the checkpoint to resume from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from torch.optim import AdamW

from condetr.core.errors import CheckpointError, DataError, SettingsError, UsageError, first_line_of
from condetr.data.checks.contact_sheet import evenly_spread
from condetr.data.records import Dataset
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges, HeightWidth
from condetr.model.config import DetectorConfig
from condetr.model.detector import ConditionalDetr
from condetr.training.diagnosis import start_warnings
from condetr.training.initial_model import InitialModel
from condetr.training.input.batch_size import batch_that_fits
from condetr.training.optimization.batch_scaling import rate_scale
from condetr.training.optimization.optimizer import scale_rates
from condetr.training.processes import Processes
from condetr.training.progress import Progress
from condetr.training.run.checkpoint_writer import RunContext
from condetr.training.run.events import EventHandler, Noted, Warned
from condetr.training.run.resume import Stored, changes_since, check_data, check_model, newest_usable, read_checkpoint
from condetr.training.run.run_folder import RunFolder
from condetr.training.settings import TrainingSettings
from condetr.training.train_state import TrainState


def check_fit(detector: ConditionalDetr, dataset: Dataset, pretrain_backbone: int) -> None:
    """Raises UsageError or DataError where the detector cannot be trained on the dataset, or not with the settings."""
    if not len(dataset):
        raise DataError("has no images to train on", source=dataset.root, hint="`condetr data check` says why")
    if len(dataset.classes) != detector.config.num_labels:
        raise UsageError(
            f"the model has {detector.config.num_labels} classes, the dataset has {len(dataset.classes)}",
            source=dataset.root,
            hint="give the model a head for them: condetr.load(..., classes=dataset.classes.names)",
        )
    if pretrain_backbone and detector.head.boxes.last.weight.any():  # zero until trained
        raise UsageError("is for training from random weights", item="pretrain_backbone", hint="leave it out")


def announce(
    initial: InitialModel,
    preprocessing: Preprocessing,
    dataset: Dataset,
    settings: TrainingSettings,
    folder: RunFolder,
    say: EventHandler,
    *,
    evaluates: bool,
) -> None:
    """Report what is unusual about a run before it starts."""
    if settings.max_size is None and (note := note_on_size(initial.preprocessing, preprocessing)) is not None:
        say(Noted(note))
    if folder.resumes:
        return
    for text in (*folder.notes, *start_warnings(initial.detector, dataset, settings)):
        say(Warned(text))
    if settings.patience and not evaluates:
        say(Warned("patience has no effect without evaluation"))
    if settings.masks_in_boxes is not None and settings.task == "detect":
        say(Warned("masks_in_boxes has no effect: there are no masks"))
    if settings.freeze_steps and not settings.freeze:
        say(Warned("freeze_steps has no effect: nothing is frozen"))


def overfit_subset(dataset: Dataset, count: int) -> Dataset:
    """The first images that have objects."""
    labeled = np.flatnonzero(dataset.columns.counts()).tolist()
    if not labeled:
        raise DataError("no image has an object", source=dataset.root, item="overfit")
    return dataset.subset(labeled[:count])


def part_to_evaluate(dataset: Dataset, count: int) -> Dataset:
    """Images from all over the dataset; the first with objects where none of these has any."""
    part = dataset.subset(evenly_spread(len(dataset), count))
    return part if part.columns.counts().any() else overfit_subset(dataset, count)


def resized(preprocessing: Preprocessing, image_size: int | None, max_size: int | None) -> Preprocessing:
    """With these shorter and longer edges, where given.

    A shorter edge that exceeds the longest one allowed scales that one in proportion.

    Raises:
        SettingsError: the longer edge is less than the shorter one.
    """
    if image_size is None and max_size is None:
        return preprocessing
    size = preprocessing.size
    current = size if isinstance(size, Edges) else Edges(None, None)
    shortest, longest = image_size or current.shortest, max_size or current.longest
    if image_size is not None and max_size is None and longest is not None and longest < image_size:
        longest = round(image_size * longest / (current.shortest or longest))
    if longest is not None and shortest is not None and longest < shortest:
        reason = f"is {longest}, less than the shorter edge, {shortest}"
        raise SettingsError(reason, item="max_size", hint="give --image-size and --max-size together")
    return replace(preprocessing, do_resize=True, size=Edges(shortest, longest))


def note_on_size(before: Preprocessing, now: Preprocessing) -> str | None:
    """A note where the longer edge was raised together with the shorter one."""
    bounds = [step.size.longest if isinstance(step.size, Edges) else None for step in (before, now)]
    if None in bounds or bounds[0] == bounds[1] or not isinstance(now.size, Edges):
        return None
    return f"max_size is raised to {now.size.longest} in proportion to image_size; --max-size sets another"


def largest_size(preprocessing: Preprocessing, dataset: Dataset) -> HeightWidth:
    """The padded size of the worst batch, such as a portrait image beside a landscape one."""
    sizes = np.unique(dataset.columns.sizes, axis=0).tolist()
    heights, widths = zip(*{preprocessing.fit((height, width)) for height, width in sizes}, strict=True)
    return max(heights), max(widths)


def fingerprint_of(settings: Mapping[str, Any], dataset: Dataset, network: DetectorConfig) -> str:
    """Of everything that must be equal on all processes."""
    content = json.dumps(settings) + dataset.fingerprint() + repr(network)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def stored_state(folder: RunFolder, processes: Processes, say: EventHandler) -> Stored | None:
    """The newest usable checkpoint if the run is resumed; the first process chooses it for all.

    Raises:
        CheckpointError: there are checkpoints, and none is usable.
    """
    if not folder.resumes:
        return None
    stored, problems = newest_usable(folder.checkpoints) if processes.is_first else (None, [])
    name, problems = processes.from_first((None if stored is None else stored.path.name, problems))
    if name is None and problems:
        hint = f"restore one, or start a new run with --model {folder.last}"
        raise CheckpointError(f"no checkpoint is complete: {'; '.join(problems)}", source=folder.checkpoints, hint=hint)
    for text in problems:
        say(Warned(text))
    if name is None:
        say(Noted("the run was stopped before its first checkpoint; it starts from the beginning"))
        return None
    say(Noted(f"resuming from {name}"))
    return read_checkpoint(folder.checkpoints / name) if stored is None else stored


def batch_size(
    settings: TrainingSettings,
    stored: Stored | None,
    state: TrainState,
    size: HeightWidth,
    processes: Processes,
    say: EventHandler,
) -> int:
    """The setting; for "auto" what fits into memory, or what the resumed run had found."""
    if settings.batch != "auto":
        return settings.batch
    if stored is not None:
        return int(stored.state["batch"])
    with state.all_trained():
        fits = batch_that_fits(state.supervised, size, processes.device, processes.count)
    batch = min(processes.gather(fits))
    say(Noted(f"batch: {batch} images of {size[0]}x{size[1]} on each of {processes.count} processes"))
    return batch


def scale_learning_rates(
    settings: TrainingSettings, optimizer: AdamW, images_per_step: int, say: EventHandler
) -> TrainingSettings:
    """Scale the rates of the optimizer for so many images per step; returns the settings with these rates."""
    scale = rate_scale(settings.reference_batch, images_per_step)
    if scale == 1:
        return settings
    scale_rates(optimizer, scale)
    scaled = replace(settings, lr=settings.lr * scale, lr_backbone=settings.lr_backbone * scale)
    rates = f"learning rate {scaled.lr:.3g}, of the backbone {scaled.lr_backbone:.3g}"
    say(Noted(f"{rates}: for {images_per_step} images per step; {settings.lr:g} is for {settings.reference_batch}"))
    return scaled


def resume(stored: Stored, state: TrainState, context: RunContext, say: EventHandler) -> Progress:
    """Restore the training state, and report what differs from the interrupted run.

    Raises:
        SettingsError: a setting changed that cannot, or the dataset.
        CheckpointError: the network or its preprocessing differs.
    """
    now = context.to_dict()
    for text in changes_since(stored, now["settings"]):
        say(Noted(text))
    changed = check_data(stored, context.data, allow_changed=context.settings.allow_changed_data)
    if changed is not None:
        say(Warned(changed))
    before = stored.state["processes"]
    if before != context.processes:
        say(
            Noted(
                f"{context.processes} processes instead of {before}: the order of the images stays, none is repeated or"
                f" left out, and a step has {context.processes * context.batch * context.accumulate} images"
            )
        )
    check_model(stored, now)
    try:
        state.restore(stored.tensors, stored.state["numbers"])
    except (LookupError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        reason = f"does not fit this model: {first_line_of(error)}"
        raise CheckpointError(reason, source=stored.path, hint="resume with the model the run began with") from error
    return Progress.from_dict(stored.state["progress"])
