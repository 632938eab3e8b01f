"""``condetr train``: from labeled images to a detector."""

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from condetr.cli.output.reporting import Reporter, jsonable
from condetr.cli.output.train_progress import handling_events
from condetr.cli.settings.train_settings import TrainSettings
from condetr.core.launcher import is_first_process

if TYPE_CHECKING:
    from condetr.training.initial_model import InitialModel
    from condetr.training.train import Trained

_WRITTEN = ("curves.png", "samples", "metrics.csv")

_Data = Annotated[Path, typer.Argument(help="Folder, COCO JSON, data.yaml or description file.", metavar="DATA")]


def train(data: _Data, settings: TrainSettings, reporter: Reporter) -> int:
    """Train a detector on labeled images; without --model, a ResNet-50 Conditional DETR from random weights.

    --backbone and --backbone-weights choose another backbone, or one with pretrained weights. A network of another size
    is described in --config under network, or with --set network.d_model=64 and the like; --set network.num_queries=50
    also works beside --model. Ctrl-C saves first; --output RUN --resume resumes with the settings in RUN/config.yaml.
    Under torchrun all processes train together. Exit status: 0 trained, 3 the data cannot be used, 5 training failed,
    130 or 143 stopped and saved.
    """
    began = time.monotonic()
    settings.check_resumed()
    settings.check_backbone()

    from condetr.workflows.training import run

    is_first = is_first_process()
    if not is_first:
        reporter.verbosity = -1
    for note in settings.notes():
        reporter.note(f"condetr: {note}")
    with handling_events(reporter) as say:
        trained = run(
            data,
            settings.named_training(),
            lambda classes, queries: initial_model(classes, queries, settings),
            output=settings.output,
            split=settings.split,
            validation=settings.validation,
            resume=settings.resumes,
            device=settings.device,
            command=shlex.join(sys.argv),
            began=began,
            say=say,
        )
    if is_first:
        _report(trained, reporter)
    return 0


def initial_model(classes: Sequence[str], queries: int | None, settings: TrainSettings) -> "InitialModel":
    from condetr.training.initial_model import InitialModel

    network = settings.network
    if network.num_queries is None:
        network = replace(network, num_queries=queries)
    if settings.model is None:
        config = network.with_classes(len(classes))
        backbone = network.backbone
        return InitialModel.from_config(
            config,
            task=settings.task,
            origin={"network": jsonable(network.stored())},
            backbone_weights=backbone.weights if backbone.is_pretrained else None,
            backbone_name=backbone.name,
        )
    return InitialModel.from_checkpoint(
        settings.model,
        classes=classes,
        task=settings.task,
        revision=settings.revision,
        num_queries=network.num_queries,
    )


def _report(trained: "Trained", reporter: Reporter) -> None:
    from condetr.training.run.console import summary_of

    written = [trained.best, *(trained.folder / name for name in _WRITTEN if (trained.folder / name).exists())]
    metrics = summary_of(trained.metrics)
    steps = f"{trained.progress.step} steps" + (f", {metrics}" if metrics else "")
    text = "\n".join([f"trained: {steps}", *(str(path) for path in written)])
    answer = {"folder": trained.folder, "model": trained.best, "metrics": trained.metrics}
    reporter.result(text, jsonable(answer | {"progress": trained.progress.to_dict()}))
