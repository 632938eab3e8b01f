"""A search for the settings of a training on a dataset: every trial is a run of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from condetr.core.errors import DataError, UsageError
from condetr.data.train_val import train_val_of
from condetr.training.initial_model import InitialModel
from condetr.training.run.callbacks import Callback
from condetr.training.run.events import EventHandler, ignore_events
from condetr.training.settings import TrainingSettings
from condetr.training.train import Trained
from condetr.workflows.search_space import SEARCHED, Searched
from condetr.workflows.training import run, watcher_of
from condetr.workflows.tuning import Tuned, check_installed, tune


def tune_training(
    data: str | Path,
    settings: TrainingSettings,
    named: Mapping[str, Any],
    build: Callable[[Sequence[str], int | None], InitialModel],
    *,
    minutes: float,
    trials: int | None = None,
    search: Sequence[Searched] = SEARCHED,
    output: Path | None = None,
    split: str | None = None,
    validation: str | None = None,
    resume: bool = False,
    device: str = "auto",
    command: str = "",
    origin: Mapping[str, Any] | None = None,
    say: EventHandler = ignore_events,
) -> Tuned:
    """Search for settings around ``settings``, which the first trial has; see `condetr.workflows.tuning.tune`.

    Args:
        data: as for `condetr.workflows.training.run`, and so are ``build``, ``split``, ``validation`` and ``device``.
        settings: of a training without a search.
        named: those of them that the user chose, which are not searched.
        build: builds the initial model of every trial.
        minutes: for all trials together.
        trials: the most trials.
        search: the settings to search.
        output: the folder of the study.
        split: the split to train on.
        validation: the split that decides.
        resume: continue the study in ``output``.
        device: where to train.
        command: how the search was started, for the run folders.
        origin: settings of the initial model, for the file of the best ones.
        say: called with every event, also those of the trials.

    Raises:
        MissingExtraError: optuna is not installed.
        CondetrError: data, settings, device or folder are unusable, or no trial finished.
    """
    check_installed()
    if output is not None and output.resolve() == Path(data).resolve():
        raise UsageError("is the dataset itself", source=output, item="output", hint="choose another --output")
    is_masked = settings.task != "detect"
    parts = train_val_of(
        data,
        split=split,
        validation=validation,
        masks=is_masked,
        panoptic=settings.task == "panoptic",
        watcher=watcher_of(say),
    )
    if parts.val is None:
        hint = "name a split with --validation"
        raise DataError("has no validation images to compare trials on", source=data, hint=hint)

    def train(*, named: Mapping[str, Any], output: Path, callbacks: Sequence[Callback]) -> Trained:
        trial = replace(settings, **named)
        return run(
            data,
            {spec.name: getattr(trial, spec.name) for spec in fields(trial)},
            build,
            output=output,
            split=split,
            validation=validation,
            device=device,
            command=command,
            callbacks=callbacks,
            say=say,
        )

    return tune(
        train,
        {spec.name: getattr(settings, spec.name) for spec in fields(settings)},
        {"epochs": settings.epochs, **named},
        minutes=minutes,
        trials=trials,
        search=search,
        output=output,
        resume=resume,
        task=settings.task,
        seed=settings.seed,
        data=parts.train.fingerprint() + parts.val.fingerprint(),
        origin=origin,
        say=say,
    )
