"""``condetr predict``: images in; boxes, masks, images and tables out."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import condetr
from condetr.cli.commands.predict_engine import Engine, described_model, engine_of, options_of
from condetr.cli.commands.predict_video import Videos
from condetr.cli.interruption import Interruption, finishing_first
from condetr.cli.output.predict_answer import Answer, exit_status_of, summary_of
from condetr.cli.output.progress_bar import progress
from condetr.cli.output.reporting import Reporter, jsonable
from condetr.cli.settings.model_settings import loaded, model_for
from condetr.cli.settings.predict_settings import DEFAULT_FORMATS, DEFAULT_OF_VIDEOS, Format, PredictSettings
from condetr.cli.settings.settings_tree import flag_of
from condetr.core.errors import SettingsError, UsageError
from condetr.images.decoding.pixel_limit import limited_to

if TYPE_CHECKING:
    from condetr.api.loaded_model import LoadedModel
    from condetr.images.detections import Detections
    from condetr.prediction.input.listing import Listing
    from condetr.prediction.predictor import Failure
    from condetr.prediction.results_writing import ResultWriter
    from condetr.prediction.sharding.shard import Shard
    from condetr.prediction.sources import ImageSource

_DEFAULT_OUTPUT = Path("runs/predict")
_Sources = Annotated[
    list[str] | None,
    typer.Argument(
        help="Files, folders, patterns, or lists (.txt, .csv) of images; videos, or numbers of cameras.",
        metavar="SOURCE",
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

    if settings.engine == "ray":
        from condetr.ray.library import require_ray

        require_ray("--engine ray")
    output, shard = _output_of(settings, reporter), _shard_of(settings)
    videos = _videos_of(sources, settings)
    images = None if videos else Listing(sources, apart_from=settings.output or output, shard=shard)
    reference = model_for(settings.model, [] if images is None else images.first, reporter)
    with _claimed(output, settings, sources, images, reporter) as output:
        model = _loaded(reference, settings, reporter)
        with engine_of(settings, model) as engine:
            status = _predicted(model, engine, videos if images is None else images, output, settings, reporter)
    if images is not None and images.repeated:
        reporter.note(f"condetr: skipped duplicate images: {images.repeated}")
    return status


def _predicted(
    model: "LoadedModel",
    engine: Engine,
    work: "Listing | Videos",
    output: Path | None,
    settings: PredictSettings,
    reporter: Reporter,
) -> int:
    from condetr.prediction.input.unfinished_images import UnfinishedImages, closed
    from condetr.prediction.written import written

    answer = Answer(reporter, model, output)
    videos = work if isinstance(work, Videos) else None
    formats = settings.save or (DEFAULT_FORMATS if videos is None else DEFAULT_OF_VIDEOS)
    with finishing_first() as interruption, _writer_to(output, settings, model, engine, formats) as writer:
        answer.begin()
        if isinstance(work, Videos):
            painted = output if "video" in formats else None
            total = work.promised
            results = work.results(model, painted, track=settings.track, **options_of(settings))
        else:
            waiting = UnfinishedImages(work, writer)
            total = waiting.total
            keep = writer is not None and not {"images", "crops"}.isdisjoint(formats)
            results = waiting.with_results(engine.stream(waiting, keep_pictures=keep))
        results = _until(interruption, results)
        finished = (result for _, result in results) if writer is None else written(results, writer.add)
        with progress("frames" if videos else "images", total, reporter) as step, closed(results), closed(finished):
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
    from condetr.prediction.input.unfinished_images import closed

    with closed(results):
        for result in results:
            yield result
            if interruption:
                return


def _merged(folder: Path, sources: list[str], settings: PredictSettings, reporter: Reporter) -> int:
    from condetr.prediction.sharding.merging import merge

    others = [*sources, *(flag_of(name) for name in sorted(settings.named - {"merge"}))]
    if others:
        raise UsageError(f"cannot be combined with {others[0]}", item="merge", hint="condetr predict --merge OUTPUT")
    counts = merge(folder, DEFAULT_FORMATS)
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
    from condetr.prediction.class_ids import class_ids
    from condetr.prediction.parquet_table import require_parquet

    if "parquet" in (settings.save or ()):
        require_parquet()
    model = loaded(reference, described_model(settings), reporter)
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
    if videos and settings.engine == "ray":
        raise SettingsError("predicts images, not the frames of a video", item="engine", hint="leave out --engine ray")
    if not videos and settings.track:
        raise SettingsError("needs a video or a camera", item="track")
    if not videos and "video" in (settings.save or ()):
        raise SettingsError("video needs a video or a camera", item="save")
    return videos


def _writer_to(
    output: Path | None, settings: PredictSettings, model: "LoadedModel", engine: Engine, formats: Sequence[Format]
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
        about={"condetr": condetr.__version__, "device": engine.device, "notes": list(where.notes)},
        overwrite=settings.overwrite,
        labels=model.names,
        source_ids=model.checkpoint.source_ids,
        stuff=model.checkpoint.stuff,
        scores=settings.scores,
        shard=_shard_of(settings),
    )
