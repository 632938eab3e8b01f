"""``condetr train``: from labeled images to a detector."""

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from condetr.cli.output.reporting import Reporter, jsonable
from condetr.cli.output.train_progress import handling_events
from condetr.cli.settings.train_settings import TrainSettings
from condetr.core.errors import UsageError
from condetr.core.launcher import is_first_process
from condetr.core.names import RANDOM_WEIGHTS

if TYPE_CHECKING:
    from condetr.training.initial_model import InitialModel
    from condetr.training.train import Trained

Settings = TypeVar("Settings", bound=TrainSettings)
_WRITTEN = ("curves.png", "samples", "metrics.csv")

_Data = Annotated[Path, typer.Argument(help="Folder, COCO JSON, data.yaml or description file.", metavar="DATA")]


def train(data: _Data, settings: TrainSettings, reporter: Reporter) -> int:
    """Train a detector on labeled images, by default from the best start model available (see `condetr models`).

    With --model none, training begins with random weights: of the paper's ResNet-50 network, of a --size, or of a
    network that is described in --config under network, or by options such as --set network.d_model=64. --backbone
    and --backbone-weights name its backbone and pretrained weights for it. --set network.num_queries=50 also works
    with --model. Ctrl-C saves and stops; --output RUN --resume continues with the settings in RUN/config.yaml.
    Under torchrun all processes train together. Exit status: 0 trained, 3 the data cannot be used, 5 training
    failed, 130 or 143 stopped and saved.
    """
    began = time.monotonic()
    settings.check_resumed()
    settings.check_backbone()

    from condetr.workflows.training import run

    is_first = is_first_process()
    if not is_first:
        reporter.verbosity = -1
    if not settings.resumes or settings.size is not None:
        settings = with_start(settings, reporter)
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


def with_start(settings: Settings, reporter: Reporter) -> Settings:
    """With the model of the size, or the best one at hand, where none is named and no network is described."""
    if settings.size is None and (settings.model is not None or settings.network.fixed_by_model()):
        return settings

    from condetr.workflows.start_model import OF_SIZE, best_start, for_task, start_of_size

    if settings.size is not None:
        if settings.model == RANDOM_WEIGHTS:
            return settings
        of_size = OF_SIZE[settings.size]
        if settings.model not in (None, of_size, for_task(of_size, settings.task)):
            raise UsageError("has a model of its own, or none", item="size", hint="leave out --size, or --model")
        if settings.model is not None:
            return settings
        return _with_model(settings, start_of_size(settings.size, settings.task))
    start = best_start(settings.task, settings.device)
    reporter.note(f"condetr: begins with {start.model or 'random weights'}: {start.reason}")
    reporter.note("condetr: --model or --size name another start, --model none random weights")
    return _with_model(settings, start.model or RANDOM_WEIGHTS)


def _with_model(settings: Settings, model: str) -> Settings:
    """A copy; what is named by the user stays so, and the model was not."""
    copy = replace(settings, model=model)
    object.__setattr__(copy, "named", settings.named)
    return copy


def initial_model(classes: Sequence[str], queries: int | None, settings: TrainSettings) -> "InitialModel":
    """The model that the settings name, with ``queries`` object queries where they name no number."""
    from condetr.training.initial_model import InitialModel

    network, backbone = settings.network, settings.network.backbone
    weights = backbone.weights if backbone.is_pretrained else None
    if network.num_queries is None:
        network = replace(network, num_queries=queries)
    if settings.model is None or settings.is_random:
        if settings.size is not None:
            return _of_size(classes, network.num_queries, settings)
        return InitialModel.from_config(
            network.with_classes(len(classes)),
            task=settings.task,
            origin={"model": RANDOM_WEIGHTS, "network": jsonable(network.stored())},
            backbone_weights=weights,
            backbone_name=backbone.name,
        )
    model = InitialModel.from_checkpoint(
        settings.model,
        classes=classes,
        task=settings.task,
        revision=settings.revision,
        num_queries=network.num_queries,
    )
    if backbone.name is None:
        return model
    origin = {"backbone": jsonable(backbone.stored())}
    return model.with_backbone(backbone.description(), origin, weights=weights, name=backbone.name)


def _of_size(classes: Sequence[str], queries: int | None, settings: TrainSettings) -> "InitialModel":
    """Random weights of the network of a size, with ``queries`` object queries if that is a number."""
    from condetr.training.initial_model import InitialModel
    from condetr.workflows.start_model import network_of_size

    assert settings.size is not None
    network = network_of_size(settings.size)
    origin: dict[str, Any] = {"model": RANDOM_WEIGHTS, "size": settings.size}
    if queries is not None:
        network, origin = replace(network, num_queries=queries), {**origin, "network": {"num_queries": queries}}
    return InitialModel.from_config(network.with_classes(len(classes)), task=settings.task, origin=origin)


def _report(trained: "Trained", reporter: Reporter) -> None:
    from condetr.training.run.console import summary_of

    written = [trained.best, *(trained.folder / name for name in _WRITTEN if (trained.folder / name).exists())]
    metrics = summary_of(trained.metrics)
    steps = f"{trained.progress.step} steps" + (f", {metrics}" if metrics else "")
    text = "\n".join([f"trained: {steps}", *(str(path) for path in written)])
    answer = {"folder": trained.folder, "model": trained.best, "metrics": trained.metrics}
    reporter.result(text, jsonable(answer | {"progress": trained.progress.to_dict()}))
