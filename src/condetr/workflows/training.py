"""Training that is measured on the way: where the rooms for training and for evaluation meet."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from condetr.checkpoints.config.class_names import STUFF
from condetr.core.distributed import current_shard
from condetr.core.errors import SettingsError, UsageError
from condetr.core.launcher import is_first_process, process_count
from condetr.core.names import Task, with_current_names
from condetr.data.records import Dataset
from condetr.data.train_val import train_val_of
from condetr.evaluation.evaluate import evaluate_detector
from condetr.evaluation.report import PANOPTIC_METRICS
from condetr.files.new_folder import next_free
from condetr.model.detector import ConditionalDetr
from condetr.training.initial_model import InitialModel
from condetr.training.preparation import resized
from condetr.training.processes import check_installed
from condetr.training.run.events import EventHandler, Noted, ignore_events
from condetr.training.run.run_folder import RunFolder, claimed
from condetr.training.settings import TrainingSettings
from condetr.training.train import Trained, train

OUTPUT = Path("runs/train")
ORIGIN = ("model", "revision", "network")  # what config.yaml says about where the model comes from


def run(
    data: str | Path,
    settings: TrainingSettings,
    begin: Callable[[Sequence[str]], InitialModel],
    *,
    output: Path | None = None,
    split: str | None = None,
    validation: str | None = None,
    resume: bool = False,
    device: str = "auto",
    command: str = "",
    say: EventHandler = ignore_events,
) -> Trained:
    """A whole run: from a path to labeled images to a folder with a measured model.

    Args:
        data: a folder or file in any format; all of it is checked first.
        settings: how to train.
        begin: gives what the run starts from, when it is told the classes.
        output: where everything is written; ``runs/train``, or with a number, unless given.
        split: part of the data to learn from, see `train_val_of`.
        validation: part of the data to measure on.
        resume: go on with the run in ``output``.
        device: where; several processes have one each.
        command: how the run was started, for its folder.
        say: hears of everything that happens.

    Raises:
        CondetrError: something about the data, the settings or the device does not fit, or training failed.
    """
    if output is None and (resume or process_count() > 1):
        raise SettingsError("must be given to resume, and where several processes train together", item="output")
    if output is not None and output.resolve() == Path(data).resolve():
        raise UsageError("is the data set itself", source=output, item="output", hint="choose another --output")
    check_installed(settings.log)
    if not is_first_process():
        say = ignore_events
    with claimed(output or next_free(OUTPUT), resume=resume, is_first=is_first_process()) as folder:
        parts = train_val_of(
            data,
            split=split,
            validation=validation,
            hold_out=not settings.overfit,
            masks=settings.task != "detect",
            panoptic=settings.task == "panoptic",
        )
        classes = parts.train.classes.names
        torch.manual_seed(settings.seed)
        beginning = _going_on(folder, classes, settings.task) or begin(classes)
        chosen = {name: value for name, value in (("split", split), ("validation", validation)) if value is not None}
        for text in (*parts.report.summary().splitlines(), *parts.notes, *beginning.notes):
            say(Noted(text))
        return train_and_measure(
            beginning,
            parts.train,
            settings,
            folder,
            validation=parts.val,
            origin={**beginning.origin, **chosen},
            device=device,
            command=command,
            say=say,
        )


def settings_of(options: Mapping[str, Any], begun: Path | None = None) -> TrainingSettings:
    """These options, over those that the run in the folder ``begun`` began with.

    Raises:
        TypeError: there is no such option.
        SettingsError: a value is not possible.
    """
    known = [spec.name for spec in fields(TrainingSettings)]
    options = with_current_names(options)
    for name in options.keys() - set(known):
        nearest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
        raise TypeError(f"train() has no option {name}=; the nearest is {nearest}=")
    before = {} if begun is None else with_current_names(RunFolder(begun).config())
    return TrainingSettings.from_dict(before | options)


def train_and_measure(
    beginning: InitialModel,
    dataset: Dataset,
    settings: TrainingSettings,
    folder: RunFolder,
    *,
    validation: Dataset | None = None,
    origin: Mapping[str, Any] | None = None,
    device: str = "auto",
    command: str = "",
    say: EventHandler = ignore_events,
) -> Trained:
    """Train, with the averages of the validation data between epochs; ``train`` tells about the arguments."""
    preprocessing = resized(beginning.preprocessing, settings.image_size, settings.max_size)
    labels = dict(enumerate(dataset.classes.names))

    def averages(network: ConditionalDetr, data: Dataset) -> Mapping[str, float]:
        where = next(network.parameters()).device
        report = evaluate_detector(
            network,
            data,
            preprocessing,
            labels,
            device=where,
            metrics=["ap", *(PANOPTIC_METRICS if settings.task == "panoptic" else ())],
            task=settings.task,
            share=current_shard(),
        )
        return report.averages()

    return train(
        beginning.detector,
        dataset,
        settings,
        folder,
        preprocessing=beginning.preprocessing,
        validation=validation,
        evaluate=averages,
        flat=_with_stuff(beginning.flat, dataset.classes.stuff),
        origin=origin,
        device=device,
        command=command,
        say=say,
    )


def _with_stuff(flat: Mapping[str, Any], stuff: Sequence[int]) -> dict[str, Any]:
    """What the config.json says, and which classes the data set does not count."""
    others = {name: value for name, value in flat.items() if name != STUFF}
    return others | {STUFF: list(stuff)} if stuff else others


def _going_on(folder: RunFolder, classes: Sequence[str], task: Task) -> InitialModel | None:
    """What a resumed run left, said to come from where it came from."""
    if not folder.resumes or not any(folder.checkpoints.glob("step-*")):
        return None
    found = InitialModel.from_run(folder.last, classes=classes, task=task)
    stored = folder.config()
    origin = {name: stored[name] for name in ORIGIN if name in stored}
    return None if found is None else replace(found, origin=origin)
