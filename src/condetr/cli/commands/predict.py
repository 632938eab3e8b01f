"""``condetr predict``: images in; boxes, masks, images and tables out."""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

import condetr
from condetr.cli.commands.predict_video import Videos
from condetr.cli.interruption import Interruption, finishing_first
from condetr.cli.output.predict_answer import Answer, exit_status_of, summary_of
from condetr.cli.output.progress_bar import progress
from condetr.cli.output.reporting import Reporter, jsonable
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
from condetr.cli.settings.settings_tree import flag_of
from condetr.cli.settings.shared import check_at_least
from condetr.core.errors import SettingsError, UsageError
from condetr.core.names import ResultFormat
from condetr.images.decoding.pixel_limit import limited_to
from condetr.prediction.options import PredictionOptions

if TYPE_CHECKING:
    from condetr.api.loaded_model import LoadedModel
    from condetr.images.detections import Detections
    from condetr.prediction.input.listing import Listing
    from condetr.prediction.predictor import Failure
    from condetr.prediction.results_writing import ResultWriter
    from condetr.prediction.sharding.shard import Shard
    from condetr.prediction.sources import ImageSource

_DEFAULT_OUTPUT = Path("runs/predict")
_FORMATS = (
    "what to write, of images, crops, video, json, jsonl, coco, coco-panoptic, yolo, csv, parquet; "
    "else images,jsonl, of a video video,jsonl"
)

Format: TypeAlias = Literal[ResultFormat, "video"]
_DEFAULT_FORMATS: tuple[ResultFormat, ...] = ("images", "jsonl")
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
    decode_workers: Annotated[
        int | None, "threads that decode images; default: 1 beside a network on the CPU, else up to 8"
    ] = None
    max_pixels: Annotated[int | None, "refuse images of more pixels; default: CONDETR_PIXEL_LIMIT, or 100,000,000"] = (
        None
    )
    overwrite: Annotated[bool, "replace the results of an earlier run in the output folder"] = False
    resume: Annotated[bool, "resume an earlier run in the output folder"] = False
    shard: Annotated[
        str | None,
        "predict only this part of the images: 2/8, or auto for the numbers that torchrun or a Slurm array sets",
    ] = None
    merge: Annotated[Path | None, "merge the results of all shards in this output folder; without SOURCE"] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        PredictionOptions(batch=self.batch, mask_threshold=self.mask_threshold)  # raises
        tile_of(self.tile)
        limits = {"decode_workers": self.decode_workers, "max_pixels": self.max_pixels}
        check_at_least(1, **{name: limit for name, limit in limits.items() if limit is not None})
        if self.scores and "yolo" not in (self.save or ()):
            raise SettingsError("is a column of yolo", item="scores", hint="--save yolo --scores")
        if self.overwrite and self.resume:
            raise SettingsError("cannot be combined with resume", item="overwrite")
        if self.resume and self.output is None:
            raise SettingsError("needs the folder of the run to resume", item="resume", hint="give --output")
        if self.shard is not None and self.output is None:
            raise SettingsError("needs the folder that all shards share", item="shard", hint="give --output")


_Sources = Annotated[
    list[str] | None,
    typer.Argument(
        help="Files, folders, patterns, or lists (.txt, .csv) of images; videos, or numbers of cameras.",
        metavar="SOURCE...",
        show_default=False,
    ),
]


def predict(settings: PredictSettings, reporter: Reporter, sources: _Sources = None) -> int:
    """Detect objects in images, videos and camera streams.

    Results are written to a folder, or with --json to stdout (and to a folder where --save or --output ask for it).
    Exit status: 0 all done, 3 every image failed, 4 some failed.
    """
    if settings.merge is not None:
        return _merged(settings.merge, sources or [], settings, reporter)
    if not sources:
        raise UsageError("Missing argument 'SOURCE...'.")
    with nullcontext() if settings.max_pixels is None else limited_to(settings.max_pixels):
        return _predicted_of(sources, settings, reporter)


def _predicted_of(sources: list[str], settings: PredictSettings, reporter: Reporter) -> int:
    from condetr.prediction.input.listing import Listing

    output, shard = _output_of(settings, reporter), _shard_of(settings)
    videos = _videos_of(sources, settings)
    images = None if videos else Listing(sources, apart_from=settings.output or output, shard=shard)
    reference = model_for(settings.model, [] if images is None else images.first, reporter)
    with _claimed(output, settings, sources, images, reporter) as output:
        model = _loaded(reference, settings, reporter)
        status = _predicted(model, videos if images is None else images, output, settings, reporter)
    if images is not None and images.repeated:
        reporter.note(f"condetr: skipped duplicate images: {images.repeated}")
    return status


def _predicted(
    model: "LoadedModel",
    work: "Listing | Videos",
    output: Path | None,
    settings: PredictSettings,
    reporter: Reporter,
) -> int:
    from condetr.prediction.written import written

    answer = Answer(reporter, model, output)
    videos = work if isinstance(work, Videos) else None
    formats = settings.save or (_DEFAULT_FORMATS if videos is None else _DEFAULT_OF_VIDEOS)
    with finishing_first() as interruption, _writer_to(output, settings, model, formats) as writer:
        answer.begin()
        if isinstance(work, Videos):
            painted = output if "video" in formats else None
            total = work.promised
            results = work.results(model, painted, track=settings.track, **_options(settings))
        else:
            waiting = _Waiting(work, writer)
            total = waiting.total
            keep = writer is not None and not {"images", "crops"}.isdisjoint(formats)
            results = waiting.with_results(model.stream(waiting, keep_pictures=keep, **_options(settings)))
        results = _until(interruption, results)
        finished = (result for _, result in results) if writer is None else written(results, writer.add)
        with progress("frames" if videos else "images", total, reporter) as step, _closed(results), _closed(finished):
            for result in finished:
                answer.add(result)
                step()
        if isinstance(work, Videos):
            if writer is not None:
                writer.note(videos=work.counts)
        else:
            answer.done_before(waiting.done_before)
            if writer is not None and not interruption:
                writer.listed(work)
        answer.end(
            interrupted=bool(interruption),
            videos=None if videos is None else videos.counts,
            not_painted=(0 if videos is None else videos.not_painted)
            + (0 if writer is None else writer.counts["not_painted"]),
        )
        interruption.end()
    return answer.exit_status


def _until(
    interruption: Interruption, results: "Iterator[tuple[ImageSource, Detections | Failure]]"
) -> "Generator[tuple[ImageSource, Detections | Failure], None, None]":
    """The results up to the one during which a signal arrived."""
    with _closed(results):
        for result in results:
            yield result
            if interruption:
                return


class _Waiting:
    """The images of a listing that an earlier run has not finished.

    ``total`` is how many they are, None where they have not all been listed yet.
    """

    def __init__(self, listing: "Listing", writer: "ResultWriter | None") -> None:
        self._listing, self._writer = listing, writer
        self._in_hand: deque[ImageSource] = deque()
        self._passed_over = 0
        ours = None if listing.all_ours is None else [self._is_done(image) for image in listing.all_ours]
        self._known_before = None if ours is None else sum(ours)
        self.total = None if ours is None else len(ours) - sum(ours)

    @property
    def done_before(self) -> int:
        """How many images an earlier run finished; of those that were listed so far, where they are many."""
        return self._passed_over if self._known_before is None else self._known_before

    def __iter__(self) -> "Iterator[ImageSource]":
        for image in self._listing:
            if self._is_done(image):
                self._passed_over += 1
            else:
                self._in_hand.append(image)
                yield image

    def with_results(
        self, results: "Iterator[Detections | Failure]"
    ) -> "Generator[tuple[ImageSource, Detections | Failure], None, None]":
        """Each result with its image."""
        with _closed(results):
            for result in results:
                yield self._in_hand.popleft(), result

    def _is_done(self, image: "ImageSource") -> bool:
        return self._writer is not None and self._writer.is_done(image)


def _merged(folder: Path, sources: list[str], settings: PredictSettings, reporter: Reporter) -> int:
    from condetr.prediction.sharding.merging import merge

    others = [*sources, *(flag_of(name) for name in sorted(settings.named - {"merge"}))]
    if others:
        raise UsageError(f"cannot be combined with {others[0]}", item="merge", hint="condetr predict --merge OUTPUT")
    counts = merge(folder, _DEFAULT_FORMATS)
    reporter.result(f"{summary_of(counts)}; results in {folder}", {"output": str(folder), "counts": counts})
    return exit_status_of(counts)


def _shard_of(settings: PredictSettings) -> "Shard | None":
    from condetr.prediction.sharding.shard import shard_of

    return None if settings.shard is None else shard_of(settings.shard)


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
    images: "Listing | None",
    reporter: Reporter,
) -> Iterator[Path | None]:
    """The folder for the results, which no other run writes to meanwhile."""
    from condetr.files.new_folder import next_free
    from condetr.prediction.results_folder import check_apart, claim
    from condetr.prediction.sharding.merging import folder_of
    from condetr.prediction.sources import folder_with

    if output is None:
        yield None
        return
    folders = {folder_with(image.name) for image in (() if images is None else images.first)}
    check_apart(output, [*sources, *sorted(folders)])
    if (shard := _shard_of(settings)) is not None:
        output = folder_of(output, shard)
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
    from condetr.prediction.parquet_table import require_parquet
    from condetr.prediction.predictor import class_ids

    if "parquet" in (settings.save or ()):
        require_parquet()
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
    if videos and settings.shard is not None:
        raise SettingsError("divides images, not the frames of a video", item="shard")
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
        shard=_shard_of(settings),
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
        "decode_workers": settings.decode_workers,
        "on_error": "collect",
    }
