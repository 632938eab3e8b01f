"""``condetr predict``: images in; boxes, masks, images and tables out."""

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

import condetr
from condetr.cli.commands.predict_video import Videos
from condetr.cli.interruption import finishing_first
from condetr.cli.output.predict_answer import Answer
from condetr.cli.output.progress_bar import progress
from condetr.cli.output.reporting import Reporter, jsonable
from condetr.cli.settings.image_sources import images_of
from condetr.cli.settings.model_settings import (
    Backend,
    Batch,
    Compile,
    DetectionSettings,
    Precision,
    Task,
    Tile,
    loaded,
    model_for,
    tile_of,
)
from condetr.core.errors import SettingsError, UsageError
from condetr.core.names import ResultFormat
from condetr.prediction.options import PredictionOptions

if TYPE_CHECKING:
    from condetr.api.loaded_model import LoadedModel
    from condetr.prediction.results_writing import ResultWriter
    from condetr.prediction.sources import ImageSource

_DEFAULT_OUTPUT = Path("runs/predict")
_FORMATS = (
    "what to write, of images, crops, video, json, jsonl, coco, coco-panoptic, yolo, csv; "
    "else images,jsonl, of a video video,jsonl"
)

Format: TypeAlias = Literal[ResultFormat, "video"]
_DEFAULT_FORMATS: tuple[Format, ...] = ("images", "jsonl")
_DEFAULT_OF_VIDEOS: tuple[Format, ...] = ("video", "jsonl")


@dataclass(frozen=True, kw_only=True)
class PredictSettings(DetectionSettings):
    model: Annotated[
        str | None,
        "hub id, model, run or exported folder, weights file; optional only for images of condetr data demo",
    ] = None
    task: Task = None
    backend: Backend = None
    precision: Precision = "fp32"
    compile: Compile = False
    mask_threshold: Annotated[float, "probability from which a pixel belongs to a mask"] = 0.5
    batch: Batch = 1
    track: Annotated[bool, "track objects of a video: they keep a number from frame to frame"] = False
    save: Annotated[tuple[Format, ...] | None, _FORMATS] = None
    output: Annotated[Path | None, "folder for the results; else runs/predict, or none with --json and no --save"] = (
        None
    )
    scores: Annotated[bool, "write the score as the sixth column of yolo"] = False
    tile: Tile = None
    overwrite: Annotated[bool, "replace the results of an earlier run in the output folder"] = False
    resume: Annotated[bool, "resume an earlier run in the output folder"] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        PredictionOptions(batch=self.batch, mask_threshold=self.mask_threshold)  # raises
        tile_of(self.tile)
        if self.scores and "yolo" not in (self.save or ()):
            raise SettingsError("is a column of yolo", item="scores", hint="--save yolo --scores")
        if self.overwrite and self.resume:
            raise SettingsError("cannot be combined with resume", item="overwrite")
        if self.resume and self.output is None:
            raise SettingsError("needs the folder of the run to resume", item="resume", hint="give --output")


_Sources = Annotated[
    list[str],
    typer.Argument(
        help="Files, folders, patterns, or lists (.txt, .csv) of images; videos, or numbers of cameras.",
        metavar="SOURCE...",
        show_default=False,
    ),
]


def predict(sources: _Sources, settings: PredictSettings, reporter: Reporter) -> int:
    """Detect objects in images, videos and camera streams.

    Results are written to a folder, or with --json to stdout (and to a folder where --save or --output ask for it).
    Exit status: 0 all done, 3 every image failed, 4 some failed.
    """
    output = _output_of(settings, reporter)
    videos = _videos_of(sources, settings)
    images = [] if videos else images_of(sources, output, reporter)
    reference = model_for(settings.model, images, reporter)
    with _claimed(output, settings, sources, images, reporter) as output:
        model = _loaded(reference, settings, reporter)
        return _predicted(model, videos, images, output, settings, reporter)


def _predicted(
    model: "LoadedModel",
    videos: Videos,
    images: "list[ImageSource]",
    output: Path | None,
    settings: PredictSettings,
    reporter: Reporter,
) -> int:
    answer = Answer(reporter, model, output)
    formats = settings.save or (_DEFAULT_OF_VIDEOS if videos else _DEFAULT_FORMATS)
    with finishing_first() as interruption, _writer_to(output, settings, model, formats) as writer:
        waiting = [image for image in images if writer is None or not writer.is_done(image)]
        answer.begin(done_before=len(images) - len(waiting))
        if videos:
            painted = output if "video" in formats else None
            work = videos.results(model, painted, track=settings.track, **_options(settings))
        else:
            keep = writer is not None and not {"images", "crops"}.isdisjoint(formats)
            work = zip(waiting, model.stream(waiting, keep_pictures=keep, **_options(settings)), strict=True)
        total = videos.promised if videos else len(waiting)
        with progress("frames" if videos else "images", total, reporter) as step, _closed(work):
            for image, result in work:
                answer.add(result if writer is None else writer.add(image, result))
                step()
                if interruption:
                    break
        if videos and writer is not None:
            writer.note(videos=videos.counts)
        answer.end(
            interrupted=bool(interruption),
            videos=videos.counts,
            not_painted=videos.not_painted + (0 if writer is None else writer.counts["not_painted"]),
        )
        interruption.end()
    return answer.exit_status


def _output_of(settings: PredictSettings, reporter: Reporter) -> Path | None:
    from condetr.files.new_folder import next_free

    if settings.output is None and settings.save is None and reporter.as_json:
        return None
    return settings.output or next_free(_DEFAULT_OUTPUT)


@contextmanager
def _claimed(
    output: Path | None,
    settings: PredictSettings,
    sources: list[str],
    images: "list[ImageSource]",
    reporter: Reporter,
) -> Iterator[Path | None]:
    """The folder for the results, which no other run writes to meanwhile."""
    from condetr.files.new_folder import next_free
    from condetr.prediction.results_folder import check_apart, claim

    if output is None:
        yield None
        return
    folders = {os.path.dirname(image.name) or "." for image in images}  # noqa: PTH120  a Path would cost minutes
    check_apart(output, [*sources, *sorted(folders)])
    if_used: Literal["overwrite", "resume", "refuse"] = (
        "overwrite" if settings.overwrite else "resume" if settings.resume else "refuse"
    )
    while True:
        try:
            claimed = claim(output, if_used)
            break
        except UsageError:
            free = next_free(_DEFAULT_OUTPUT)
            if settings.output is not None or free == output:
                raise
            output = free  # another run, started at the same moment, took the first
    with claimed:
        if claimed.missing:
            reporter.warn(claimed.missing)
        yield output


def _loaded(reference: str, settings: PredictSettings, reporter: Reporter) -> "LoadedModel":
    from condetr.prediction.predictor import class_ids

    model = loaded(reference, settings, reporter)
    if settings.classes is not None:
        class_ids(settings.classes, model.checkpoint.labels)  # refused before anything is written
    task = settings.task or model.task
    if "coco-panoptic" in (settings.save or ()) and task != "panoptic":
        raise UsageError(f"coco-panoptic is of segments, and the task is {task}", item="save", hint="--task panoptic")
    return model


def _videos_of(sources: list[str], settings: PredictSettings) -> Videos:
    videos = Videos(sources)
    if videos and settings.resume:
        raise SettingsError("cannot resume inside a video", item="resume", hint="--overwrite starts again")
    if not videos and settings.track:
        raise SettingsError("needs a video or a camera", item="track")
    if not videos and "video" in (settings.save or ()):
        raise SettingsError("video needs a video or a camera", item="save")
    return videos


@contextmanager
def _closed(work: object) -> Iterator[None]:
    """What is in hand is finished also where the work ends early."""
    try:
        yield
    finally:
        if isinstance(work, Generator):
            work.close()


def _writer_to(
    output: Path | None, settings: PredictSettings, model: "LoadedModel", formats: Sequence[Format]
) -> "AbstractContextManager[ResultWriter | None]":
    if output is None:
        return nullcontext()
    from condetr.prediction.results_writing import ResultWriter

    finding = ("model", "task", "threshold", "mask_threshold", "classes", "top_k", "image_size", "tile", "precision")
    written = (*finding, "scores") if "yolo" in formats else finding
    where = model.checkpoint.provenance
    return ResultWriter(
        output,
        [name for name in formats if name != "video"],
        run=jsonable({name: getattr(settings, name) for name in (*written, "save")} | {"revision": where.revision}),
        about={"condetr": condetr.__version__, "device": str(model.device), "notes": list(where.notes)},
        overwrite=settings.overwrite,
        labels=model.names,
        source_ids=model.checkpoint.source_ids,
        stuff=model.checkpoint.stuff,
        scores=settings.scores,
    )


def _options(settings: PredictSettings) -> dict[str, Any]:
    return {
        "threshold": settings.threshold,
        "top_k": settings.top_k,
        "batch": settings.batch,
        "classes": settings.classes,
        "task": settings.task,
        "mask_threshold": settings.mask_threshold,
        "tile": tile_of(settings.tile),
        "on_error": "collect",
    }
