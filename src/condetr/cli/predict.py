"""``condetr predict``: pictures in; boxes, pictures and tables out."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

import condetr
from condetr.cli.choices import check_at_least, model_or_bundled, size_of_text
from condetr.cli.command import CommonSettings
from condetr.cli.interruption import finishing_first
from condetr.cli.predict_answer import Answer
from condetr.cli.progress import progress
from condetr.cli.reporting import Reporter, jsonable
from condetr.core.errors import SettingsError, UsageError

if TYPE_CHECKING:
    from condetr.detector import Detector
    from condetr.images.detections import Detections
    from condetr.prediction.predictor import Failure
    from condetr.prediction.sources import PictureSource
    from condetr.prediction.writing import ResultWriter

_DEFAULT_OUTPUT = Path("runs/predict")
_FORMATS = "what to write, of images, json, jsonl, coco, yolo, csv; else images,jsonl"

Format: TypeAlias = Literal["images", "json", "jsonl", "coco", "yolo", "csv"]
_DEFAULT_FORMATS: tuple[Format, ...] = ("images", "jsonl")


@dataclass(frozen=True, kw_only=True)
class PredictSettings(CommonSettings):
    model: Annotated[
        str | None, "hub id, model folder, run folder or weights file; else the bundled digit detector"
    ] = None
    revision: Annotated[str | None, "branch, tag or commit, for a hub id"] = None
    threshold: Annotated[float, "leave out what scores at or below it"] = 0.5
    classes: Annotated[tuple[str, ...] | None, "only these classes, by name or id"] = None
    top_k: Annotated[int, "the most detections of a picture"] = 100
    batch: Annotated[int, "the most pictures at once; does not change the results"] = 1
    image_size: Annotated[str | None, "resize to this shortest edge, or HEIGHTxWIDTH, not to what the model says"] = (
        None
    )
    save: Annotated[tuple[Format, ...] | None, _FORMATS] = None
    output: Annotated[Path | None, "folder for the results; else runs/predict, or none with --json and no --save"] = (
        None
    )
    overwrite: Annotated[bool, "replace the results of an earlier run in the output folder"] = False
    resume: Annotated[bool, "go on with an earlier run in the output folder"] = False

    def __post_init__(self) -> None:
        check_at_least(1, top_k=self.top_k, batch=self.batch)
        if self.image_size is not None:
            size_of_text(self.image_size, "image_size")
        if not 0 <= self.threshold <= 1:
            raise SettingsError(f"is {self.threshold}, expected a number from 0 to 1", item="threshold")
        if self.overwrite and self.resume:
            raise SettingsError("cannot be combined with resume", item="overwrite")
        if self.resume and self.output is None:
            raise SettingsError("needs the folder to go on with", item="resume", hint="give --output")


_Sources = Annotated[
    list[str],
    typer.Argument(
        help="Files, folders, patterns, or lists (.txt, .csv) of pictures.", metavar="SOURCE...", show_default=False
    ),
]


def predict(sources: _Sources, settings: PredictSettings, reporter: Reporter) -> int:
    """Detect objects in pictures.

    Results are written to a folder, or with --json to stdout (and to a folder where --save or --output ask for it).
    Exit status: 0 all done, 3 every picture failed, 4 some failed.
    """
    reference = model_or_bundled(settings.model, reporter)
    output = _output_of(settings, reporter)
    pictures = _pictures_of(sources, output, reporter)
    if output is not None:
        _claim(output, settings, sources, pictures)
    model = _loaded(reference, settings, reporter)
    answer = Answer(reporter, model, output)
    with finishing_first() as interruption, _writer_to(output, settings, model) as writer:
        waiting = [picture for picture in pictures if writer is None or not writer.is_done(picture)]
        answer.begin(done_before=len(pictures) - len(waiting))
        with progress("pictures", len(waiting), reporter) as step:
            for picture, result in zip(waiting, _results(model, waiting, settings), strict=True):
                answer.add(result if writer is None else writer.add(picture, result))
                step()
                if interruption:
                    break
        answer.end(interrupted=bool(interruption))
        interruption.end()
    return answer.exit_status


def _output_of(settings: PredictSettings, reporter: Reporter) -> Path | None:
    from condetr.prediction.output_folder import next_free

    if settings.output is None and settings.save is None and reporter.as_json:
        return None
    return settings.output or next_free(_DEFAULT_OUTPUT)


def _pictures_of(sources: list[str], output: Path | None, reporter: Reporter) -> "list[PictureSource]":
    """Every picture once. What was pointed at and is not there ends the run before it begins."""
    from condetr.prediction.sources import pictures_in

    pictures: dict[str, PictureSource] = {}
    repeated = 0
    for picture in pictures_in(sources, apart_from=output):
        if isinstance(picture.content, UsageError):
            raise picture.content
        repeated += picture.name in pictures
        pictures.setdefault(picture.name, picture)
    if repeated:
        reporter.note(f"condetr: {repeated} of the pictures were given before; each is looked at once")
    return list(pictures.values())


def _claim(output: Path, settings: PredictSettings, sources: list[str], pictures: "list[PictureSource]") -> None:
    from condetr.prediction.output_folder import check_apart, claim

    folders = {os.path.dirname(picture.name) or "." for picture in pictures}  # noqa: PTH120  a Path would cost minutes
    check_apart(output, [*sources, *sorted(folders)])
    claim(output, "overwrite" if settings.overwrite else "resume" if settings.resume else "refuse")


def _loaded(reference: str, settings: PredictSettings, reporter: Reporter) -> "Detector":
    size = None if settings.image_size is None else size_of_text(settings.image_size, "image_size")
    model = condetr.load(reference, revision=settings.revision, device=settings.device, image_size=size)
    where = model.checkpoint.provenance
    if where.revision is not None:
        reporter.note(f"condetr: {reference} is at commit {where.revision}")
    for note in where.notes:
        reporter.detail(f"condetr: {note}")
    return model


@contextmanager
def _writer_to(output: Path | None, settings: PredictSettings, model: "Detector") -> "Iterator[ResultWriter | None]":
    if output is None:
        yield None
        return
    from condetr.prediction.writing import ResultWriter

    depends = ("model", "threshold", "classes", "top_k", "image_size", "save")
    where = model.checkpoint.provenance
    with ResultWriter(
        output,
        settings.save or _DEFAULT_FORMATS,
        run=jsonable({name: getattr(settings, name) for name in depends} | {"revision": where.revision}),
        about={"condetr": condetr.__version__, "device": str(model.device), "notes": list(where.notes)},
        afresh=settings.overwrite,
        labels=model.names,
        source_ids=model.checkpoint.source_ids,
    ) as writer:
        yield writer


def _results(
    model: "Detector", pictures: "list[PictureSource]", settings: PredictSettings
) -> "Iterator[Detections | Failure]":
    return model.stream(
        pictures,
        threshold=settings.threshold,
        top_k=settings.top_k,
        batch=settings.batch,
        classes=settings.classes,
        on_error="collect",
    )
