"""``condetr evaluate``: how good a model is, or a file of predictions."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from condetr.cli.output.evaluate_answer import text_of
from condetr.cli.output.outcome import PARTIAL
from condetr.cli.output.progress_bar import progress
from condetr.cli.output.reporting import Reporter, jsonable, say
from condetr.cli.settings.model_settings import (
    Backend,
    Batch,
    Compile,
    ModelSettings,
    Precision,
    Task,
    Tile,
    loaded,
    model_or_bundled,
    tile_of,
)
from condetr.cli.settings.shared import ClassMap, class_map_of
from condetr.core.errors import SettingsError
from condetr.core.names import Metric
from condetr.prediction.options import PredictionOptions

if TYPE_CHECKING:
    from condetr.api.loaded_model import LoadedModel
    from condetr.core.distributed import ProcessShard
    from condetr.data.records import Dataset
    from condetr.evaluation.report import Report

_DEFAULT_OUTPUT = Path("runs/evaluate")
_METRICS = (
    "what to measure: ap, per-class, pr, confusion, errors, calibration, pq, miou, layers, speed; "
    "else all but layers and speed"
)


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(ModelSettings):
    PANELS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "Model": ("model", "revision", "task", "image_size", "backend", "precision", "compile"),
        "Data": ("split", "map", "predictions"),
        "Measurement": ("metrics", "threshold", "top_k", "min_ap", "batch", "tile"),
        "Output": ("output", "html"),
    }
    backend: Backend = None
    precision: Precision = "fp32"
    compile: Compile = False
    predictions: Annotated[Path | None, "measure this file of COCO results, not a model"] = None
    split: Annotated[str | None, "part of the data; else val, test or the only one. val: or what training held out"] = (
        None
    )
    task: Task = None
    metrics: Annotated[tuple[Metric, ...] | None, _METRICS] = None
    min_ap: Annotated[float | None, "exit with status 8 if AP, from 0 to 1, is lower"] = None
    threshold: Annotated[float, "score above which detections count as errors and in the confusion matrix"] = 0.5
    map: Annotated[Path | None, "YAML file with lines of CLASS OF THE DATA: CLASS OF THE MODEL, or a list of them"] = (
        None
    )
    top_k: Annotated[int, "maximum number of detections per image; COCO counts 100"] = 100
    batch: Batch = 1
    tile: Tile = None
    html: Annotated[bool, "also write report.html, a page of errors and curves that works offline"] = False
    output: Annotated[
        Path | None, "new folder for the report; default: runs/evaluate, or none with --json and no --html"
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        PredictionOptions(threshold=self.threshold, top_k=self.top_k, batch=self.batch)  # raises
        tile_of(self.tile)
        if self.min_ap is not None and not 0 <= self.min_ap <= 1:
            raise SettingsError(f"is {self.min_ap}, expected a number from 0 to 1", item="min_ap")
        if self.predictions is not None:
            for name in ("model", "revision", "backend", "map", "image_size"):
                if getattr(self, name) is not None:
                    raise SettingsError("is for a model; it cannot be combined with predictions", item=name)
            if self.compile or self.precision != "fp32":
                name = "compile" if self.compile else "precision"
                raise SettingsError("is for a model; it cannot be combined with predictions", item=name)
            for name in ("layers", "speed"):
                if name in (self.metrics or ()):
                    raise SettingsError(f"{name} is of a model; a file of predictions has none", item="metrics")
            if self.task == "panoptic":
                raise SettingsError("a file of predictions holds boxes (detect) or masks (instance)", item="task")


_Data = Annotated[Path, typer.Argument(help="Folder, COCO JSON, data.yaml or description file.", metavar="DATA")]


def evaluate(data: _Data, settings: EvaluateSettings, reporter: Reporter) -> int:
    """Measure a model, or a file of predictions, on labeled images.

    The report goes to a folder, or with --json to stdout. Under torchrun every process evaluates its share.
    Exit status: 0 all done, 3 nothing to measure, 4 some images could not be read, 8 AP is below --min-ap.
    """
    class_map = None if settings.map is None else class_map_of(settings.map)

    from condetr.core.distributed import process_group
    from condetr.evaluation.evaluate import held_out
    from condetr.files.new_folder import new_folder, next_free

    with process_group() as share:
        if not share.is_first:
            reporter.verbosity = -1
        model = _loaded(settings, reporter)
        task = settings.task or ("detect" if model is None else model.task)
        dataset = held_out(data, settings.split, task=task)
        for line in dataset.report.summary().splitlines():
            reporter.note(f"condetr: {line}")
        if settings.split is None and dataset.split != "val":
            learned = "" if dataset.split == "test" else ", which the model may have learned from"
            reporter.note(f"condetr: there is no val; measured on {dataset.split}{learned}")
        elif settings.split == "val" != dataset.split:
            reporter.note(f"condetr: there is no val; measured on the {len(dataset)} images that a training holds out")
        output = None
        if share.is_first and (settings.output is not None or settings.html or not reporter.as_json):
            output = settings.output or next_free(_DEFAULT_OUTPUT)
        with nullcontext() if output is None else new_folder(output):
            if model is None:
                about: dict[str, Any] = {"predictions": settings.predictions}
                report = _scored(dataset, settings)
            else:
                report = _measured(model, dataset, settings, class_map, share, reporter)
                where = model.checkpoint.provenance
                about = {"model": {"path": str(where.path), "revision": where.revision}}
            return _told(report, about, output, settings, reporter) if share.is_first else 0


def _told(
    report: "Report", about: dict[str, Any], output: Path | None, settings: EvaluateSettings, reporter: Reporter
) -> int:
    for note in report.notes:
        reporter.note(f"condetr: {note}")
    for failure in report.failures:
        say(f"condetr: failed: {failure.error}")
    if output is not None:
        report.save(output, html=settings.html)
    where = None if output is None else str(output)
    text = text_of(report) + ("" if where is None else f"\n\nreport in {where}")
    reporter.result(text, jsonable(about | report.to_dict() | {"output": where}))
    if settings.min_ap is not None:
        report.require(settings.min_ap)
    return PARTIAL if report.failures else 0


def _loaded(settings: EvaluateSettings, reporter: Reporter) -> "LoadedModel | None":
    """What is to be measured, unless it is a file of predictions."""
    if settings.predictions is not None:
        return None
    return loaded(model_or_bundled(settings.model, reporter), settings, reporter)


def _scored(dataset: "Dataset", settings: EvaluateSettings) -> "Report":
    from condetr.evaluation.evaluate import evaluate_predictions
    from condetr.evaluation.report import DEFAULT_METRICS

    assert settings.predictions is not None
    return evaluate_predictions(
        settings.predictions,
        dataset,
        metrics=settings.metrics or DEFAULT_METRICS,
        threshold=settings.threshold,
        masks=settings.task == "instance",
    )


def _measured(
    model: "LoadedModel",
    dataset: "Dataset",
    settings: EvaluateSettings,
    class_map: ClassMap | None,
    share: "ProcessShard",
    reporter: Reporter,
) -> "Report":
    with progress("images", len(share.positions(len(dataset))), reporter) as step:
        return model.evaluate(
            dataset,
            batch=settings.batch,
            top_k=settings.top_k,
            tile=tile_of(settings.tile),
            metrics=settings.metrics,
            threshold=settings.threshold,
            class_map=class_map,
            task=settings.task,
            share=share,
            on_picture=step,
        )
