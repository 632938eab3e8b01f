"""``condetr tune``: a search for the settings of a training."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from condetr.cli.commands.train import initial_model, with_start
from condetr.cli.output.reporting import Reporter, jsonable
from condetr.cli.output.train_progress import handling_events
from condetr.cli.settings.tune_settings import TuneSettings

_Data = Annotated[Path, typer.Argument(help="Folder, COCO JSON, data.yaml or description file.", metavar="DATA")]


def tune(data: _Data, settings: TuneSettings, reporter: Reporter) -> int:
    """Search for training settings with the best AP on the validation split; needs the extra tune (optuna).

    Every trial is a training of --epochs, the first one with the default settings. Trials that are worse than others at
    the same point end early. OUTPUT/best.yaml holds the best settings, for `condetr train DATA --config`. Options that
    are given are not searched. Ctrl-C stops; the same command with --resume continues.
    """
    from condetr.workflows.tune_training import tune_training

    settings = with_start(settings, reporter)
    assert settings.minutes is not None, "checked by the settings"
    with handling_events(reporter) as say:
        tuned = tune_training(
            data,
            settings.training(),
            settings.chosen(),
            lambda classes, queries: initial_model(classes, queries, settings),
            minutes=settings.minutes,
            trials=settings.trials,
            search=settings.search,
            output=settings.output,
            split=settings.split,
            validation=settings.validation,
            resume=settings.resume,
            device=settings.device,
            command=shlex.join(sys.argv),
            origin=jsonable(settings.origin()),
            say=say,
        )
    trials = ", ".join(f"{count} {state}" for state, count in tuned.trials.items())
    text = f"{tuned.best.read_text(encoding='utf-8')}{tuned.best}\n{tuned.run}\ntrials: {trials}"
    answer = {"folder": tuned.folder, "best": tuned.best, "settings": tuned.settings, "ap": tuned.ap, "run": tuned.run}
    reporter.result(text, jsonable(answer | {"trials": tuned.trials}))
    return 0
