"""``condetr train``: from labelled pictures to a detector."""

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from condetr.cli.reporting import Reporter, jsonable
from condetr.cli.train_progress import listening
from condetr.cli.train_settings import TrainSettings
from condetr.core.errors import DataError, SettingsError

if TYPE_CHECKING:
    from condetr.data.records import Dataset
    from condetr.measured_training import Beginning
    from condetr.training.train import Trained

_DEFAULT_OUTPUT = Path("runs/train")
_LEFT = ("curves.png", "samples", "metrics.csv")

_Data = Annotated[Path, typer.Argument(help="Folder, COCO JSON, data.yaml or description file.", metavar="DATA")]


def train(data: _Data, settings: TrainSettings, reporter: Reporter) -> int:
    """Train a detector on labelled pictures; without --model a new Conditional DETR with a ResNet-50.

    A network of another size is described in --config under network, or with --set network.d_model=64 and the like.
    Ctrl-C saves first; the same command with --resume goes on. Under torchrun all processes train together.
    Exit status: 0 trained, 3 the data cannot be used, 5 training failed, 130 or 143 stopped and saved.
    """
    from condetr.measured_training import train_and_measure
    from condetr.training.run_folder import claimed

    how, output, is_first = settings.training(), _output_of(settings), os.environ.get("RANK", "0") == "0"
    if not is_first:
        reporter.verbosity = -1
    with claimed(output, resume=settings.resume, is_first=is_first) as folder:
        learned_from, measured_on = _parts_of(data, settings, reporter)
        beginning = _beginning(learned_from, settings, reporter)
        with listening(reporter) as say:
            trained = train_and_measure(
                beginning,
                learned_from,
                how,
                folder,
                validation=measured_on,
                device=settings.device,
                command=shlex.join(sys.argv),
                say=say,
            )
    if is_first:
        _tell(trained, reporter)
    return 0


def _output_of(settings: TrainSettings) -> Path:
    from condetr.prediction.output_folder import next_free

    if settings.output is None and os.environ.get("WORLD_SIZE", "1") != "1":
        raise SettingsError("must be given where several processes train together", item="output")
    return settings.output or next_free(_DEFAULT_OUTPUT)


def _parts_of(data: Path, settings: TrainSettings, reporter: Reporter) -> "tuple[Dataset, Dataset | None]":
    """What to learn from, and what to measure on; checked, whole."""
    from condetr.data.check import check
    from condetr.data.detect import read_dataset, usable

    splits, report = check(data)
    for line in report.summary().splitlines():
        reporter.note(f"condetr: {line}")
    report.refuse()

    def part(name: str) -> "Dataset":
        return usable(splits[name], data) if name in splits else read_dataset(data, name)

    only = next(iter(splits)) if len(splits) == 1 else "train"
    learned_from = part(settings.split or only)
    name = settings.validation or ("val" if "val" in splits else None)
    if name is None or name == learned_from.split:
        reporter.note("condetr: there is no val split, so nothing is measured (--validation names another)")
        return learned_from, None
    measured_on = part(name)
    if measured_on.classes != learned_from.classes:
        raise DataError(f"{name} has other classes than {learned_from.split}", source=data)
    return learned_from, measured_on


def _beginning(dataset: "Dataset", settings: TrainSettings, reporter: Reporter) -> "Beginning":
    from condetr.measured_training import Beginning

    names = dataset.classes.names
    if settings.model is None:
        reporter.note("condetr: begins with a new network that knows nothing (--model begins with a trained one)")
        return Beginning.afresh(settings.network.config(len(names)), seed=settings.seed or 0)
    beginning = Beginning.stored(settings.model, classes=names, revision=settings.revision)
    for note in beginning.notes:
        reporter.detail(f"condetr: {note}")
    return beginning


def _tell(trained: "Trained", reporter: Reporter) -> None:
    left = [trained.model, *(trained.folder / name for name in _LEFT if (trained.folder / name).exists())]
    numbers = ", ".join(f"{name} {trained.metrics[name]:.3f}" for name in ("ap", "ap50") if name in trained.metrics)
    steps = f"{trained.progress.step} steps" + (f", {numbers}" if numbers else "")
    text = "\n".join([f"trained: {steps}", *(f"{place.name} in {place}" for place in left)])
    said = {"folder": trained.folder, "model": trained.model, "metrics": trained.metrics}
    reporter.result(text, jsonable(said | {"progress": trained.progress.to_dict()}))
