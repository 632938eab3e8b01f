"""Training with evaluation between epochs, from a path to a dataset to a run folder."""

import difflib
import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from condetr.core.distributed import current_shard
from condetr.core.errors import SettingsError, UsageError
from condetr.core.launcher import is_first_process, process_count
from condetr.core.names import Task, with_current_names
from condetr.data.augmentation.own import Augmentation
from condetr.data.checked_data import Watcher
from condetr.data.classes import Classes
from condetr.data.records import Dataset
from condetr.data.train_val import train_val_of
from condetr.evaluation.evaluate import evaluate_detector
from condetr.evaluation.report import PANOPTIC_METRICS
from condetr.files.new_folder import next_free
from condetr.model.detector import ConditionalDetr
from condetr.training.initial_model import InitialModel
from condetr.training.input.augmentation import augmentation_for
from condetr.training.preparation import resized
from condetr.training.processes import check_installed
from condetr.training.run.callbacks import Callback, check_callbacks
from condetr.training.run.events import EventHandler, ImageChecked, Noted, ignore_events
from condetr.training.run.run_folder import RunFolder, claimed
from condetr.training.settings import TrainingSettings, replaced
from condetr.training.train import Evaluate, Trained, train
from condetr.workflows.defaults import default_settings, description, queries_for
from condetr.workflows.facts import facts_of

OUTPUT = Path("runs/train")
EVALUATION_BATCH = 8  # where the batch of training is not known yet
ORIGIN = ("model", "size", "revision", "network")  # the keys of config.yaml that name the initial model


def run(
    data: str | Path,
    named: Mapping[str, Any],
    build: Callable[[Sequence[str], int | None], InitialModel],
    *,
    output: Path | None = None,
    split: str | None = None,
    validation: str | None = None,
    resume: bool = False,
    device: str = "auto",
    command: str = "",
    augmentation: Augmentation | None = None,
    callbacks: Sequence[Callback] = (),
    began: float | None = None,
    say: EventHandler = ignore_events,
) -> Trained:
    """A whole run: from a path to labeled images to a folder with an evaluated model.

    Args:
        data: a folder or file in any format; all of it is checked first.
        named: settings of training; the others are chosen to fit, see `default_settings`, unless the run is resumed.
        build: builds the initial model for these class names, with so many object queries where the number is not
            named; None for those that it has.
        output: the run folder; ``runs/train``, or with a number, unless given.
        split: the split to train on, see `train_val_of`.
        validation: the split to evaluate on.
        resume: continue the run in ``output``.
        device: where to train; each process of a distributed run has its own.
        command: how the run was started, for its folder.
        augmentation: a transform of samples, where the setting ``augment`` is None.
        callbacks: called with the events of training, see `condetr.training.run.callbacks`.
        began: when the command began, on the clock of ``time.monotonic``; a time budget counts from then.
        say: called with every event.

    Raises:
        CondetrError: data, settings or device are unusable, or training failed.
    """
    began = time.monotonic() if began is None else began
    named = {name: value for name, value in named.items() if (name, value) != ("masks_in_boxes", None)}  # left open
    settings = TrainingSettings.from_dict(named)
    if output is None and (resume or process_count() > 1):
        raise SettingsError("must be given to resume, and for distributed training", item="output")
    if output is not None and output.resolve() == Path(data).resolve():
        raise UsageError("is the dataset itself", source=output, item="output", hint="choose another --output")
    check_callbacks(callbacks)
    check_installed(settings.log)
    augmentation_for(settings, None, augmentation)  # before data are read
    is_first = is_first_process()
    if not is_first:
        say = ignore_events
    folder_path = output or next_free(OUTPUT)
    with claimed(folder_path, resume=resume, is_first=is_first, command=command) as folder:
        parts = train_val_of(
            data,
            split=split,
            validation=validation,
            hold_out=not settings.overfit,
            masks=settings.task != "detect",
            panoptic=settings.task == "panoptic",
            watcher=watcher_of(say),
        )
        classes = parts.train.classes
        torch.manual_seed(settings.seed)
        initial = _resumed(folder, classes, settings.task) or build(classes.names, None)
        chosen: list[str] = []
        if not folder.resumes:
            facts = facts_of(initial, parts.train, settings, device)
            if (queries := queries_for(facts)) != facts.queries:
                torch.manual_seed(settings.seed)
                initial = build(classes.names, queries)
            defaults = default_settings(facts, named)
            settings = TrainingSettings.from_dict(replaced(defaults, named))
            chosen = description(defaults, facts) if defaults else []
        if settings.masks_in_boxes is not None:
            initial = initial.with_masks_in_boxes(settings.masks_in_boxes)
        for text in (*parts.report.summary().splitlines(), *parts.notes, *initial.notes, *chosen):
            say(Noted(text))
        splits = {name: value for name, value in (("split", split), ("validation", validation)) if value is not None}
        return train(
            replace(initial, origin={**initial.origin, **splits}),
            parts.train,
            settings,
            folder,
            validation=parts.val,
            evaluate=evaluation_between_epochs(initial, classes, settings),
            device=device,
            augmentation=augmentation,
            callbacks=callbacks,
            began=began,
            say=say,
        )


def watcher_of(say: EventHandler) -> Watcher:
    """Reports the reading of data as events."""

    def images(count: int) -> Callable[[], None]:
        numbers = itertools.count(1)
        return lambda: say(ImageChecked(next(numbers), count))

    return Watcher(lambda text: say(Noted(text)), images)


def settings_of(options: Mapping[str, Any], resumed: Path | None = None) -> dict[str, Any]:
    """These options, over the settings that the run in the folder ``resumed`` started with.

    Raises:
        TypeError: there is no such option.
        SettingsError: a value is not possible.
    """
    names = [spec.name for spec in fields(TrainingSettings)]
    options = with_current_names(options)
    for name in options.keys() - set(names):
        nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]
        raise TypeError(f"train() has no option {name}=; the nearest is {nearest}=")
    before = {} if resumed is None else with_current_names(RunFolder(resumed).config())
    named = {name: value for name, value in replaced(before, options).items() if name in names}
    TrainingSettings.from_dict(named)  # raises
    return named


def check_queries(resumed: Path, num_queries: int) -> None:
    """Raises SettingsError where the run in the folder ``resumed`` began with another number of object queries."""
    network = RunFolder(resumed).config().get("network")
    begun = network.get("num_queries") if isinstance(network, dict) else None
    if begun != num_queries:
        reason = f"is {num_queries}, but the run began with {'those of its model' if begun is None else begun}"
        raise SettingsError(reason, source=resumed, item="num_queries", hint="leave it out, or begin a new run")


def evaluation_between_epochs(initial: InitialModel, classes: Classes, settings: TrainingSettings) -> Evaluate:
    """AP (and PQ and mIoU of panoptic models) with the preprocessing of the settings; each process does its shard."""
    preprocessing = resized(initial.preprocessing, settings.image_size, settings.max_size)
    labels = dict(enumerate(classes.names))

    def evaluate(network: ConditionalDetr, dataset: Dataset) -> Mapping[str, float]:
        report = evaluate_detector(
            network,
            dataset,
            preprocessing,
            labels,
            batch=EVALUATION_BATCH if settings.batch == "auto" else settings.batch,
            device=next(network.parameters()).device,
            metrics=["ap", *(PANOPTIC_METRICS if settings.task == "panoptic" else ())],
            task=settings.task,
            share=current_shard(),
        )
        return report.averages()

    return evaluate


def _resumed(folder: RunFolder, classes: Classes, task: Task) -> InitialModel | None:
    """The last model of a resumed run, with the origin of its initial one."""
    if not folder.resumes or not any(folder.checkpoints.glob("step-*")):
        return None
    config = folder.config()
    origin = {name: config[name] for name in ORIGIN if name in config}
    return InitialModel.from_run(folder.last, classes=classes.names, task=task, origin=origin)
