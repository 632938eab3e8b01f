"""``condetr label``: detections as labels that people correct in their tool, and train on."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from condetr.cli.output.outcome import PARTIAL
from condetr.cli.output.progress_bar import progress
from condetr.cli.output.reporting import Reporter, say
from condetr.cli.settings.image_sources import ImageSources, images_of, refuse_videos
from condetr.cli.settings.model_settings import (
    Backend,
    Batch,
    Compile,
    ModelSettings,
    Precision,
    Task,
    Tile,
    loaded,
    model_for,
    tile_of,
)
from condetr.core.errors import SettingsError
from condetr.core.names import LabelFormat
from condetr.prediction.options import PredictionOptions

if TYPE_CHECKING:
    from condetr.workflows.labeling import Labeled

_NEXT = {
    "cvat": "create a task with labels.json (Raw) and the images, then upload annotations.xml as CVAT 1.1",
    "label-studio": "start Label Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and "
    "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={root}, paste label_config.xml into a project, and import tasks.json",
}


@dataclass(frozen=True, kw_only=True)
class LabelSettings(ModelSettings):
    output: Annotated[Path | None, "new folder for the dataset"] = None
    format: Annotated[LabelFormat, "what to write"] = "coco"
    threshold: Annotated[
        tuple[str, ...] | float, "leave out detections that score at or below this; by class: 0.5,cell=0.4"
    ] = 0.5
    classes: Annotated[tuple[str, ...] | None, "label only these classes, by name or id"] = None
    top_k: Annotated[int, "maximum number of detections per image"] = 100
    backend: Backend = None
    precision: Precision = "fp32"
    compile: Compile = False
    task: Task = None
    mask_threshold: Annotated[float, "probability from which a pixel belongs to a mask"] = 0.5
    tolerance: Annotated[float, "pixels by which a polygon may miss the edge of its mask"] = 1.0
    tile: Tile = None
    batch: Batch = 1
    split: Annotated[str, "name of the images' split"] = "train"
    copy: Annotated[bool, "copy the images instead of linking them"] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        PredictionOptions(batch=self.batch, top_k=self.top_k, mask_threshold=self.mask_threshold)  # raises
        tile_of(self.tile)
        if self.tolerance < 0:
            raise SettingsError(f"is {self.tolerance}, expected at least 0", item="tolerance")
        if self.output is None:
            raise SettingsError("is required: a new folder for the dataset", item="output")


def label(sources: ImageSources, settings: LabelSettings, reporter: Reporter) -> int:
    """Label images with a model, to correct in CVAT, Label Studio or another tool.

    Writes a dataset of the detections. Images are linked, and nothing is drawn on them. The output folder appears
    only when it is complete; if the command is killed, run it again to continue from the folder OUTPUT.unfinished.
    Exit status: 0 all done, 3 no image could be read, 4 some could not.
    """
    from condetr.prediction.thresholds import thresholds_of
    from condetr.workflows.labeling_resume import check_output

    assert settings.output is not None, "checked above"
    refuse_videos(sources)
    check_output(settings.output)
    images = images_of(sources, settings.output, reporter)
    model = loaded(model_for(settings.model, images, reporter), settings, reporter)
    thresholds_of(settings.threshold, model.names)  # refused before anything is predicted
    with progress("images", len(images), reporter) as step:
        labeled = model.label(
            images,
            settings.output,
            format=settings.format,
            threshold=settings.threshold,
            top_k=settings.top_k,
            batch=settings.batch,
            classes=settings.classes,
            task=settings.task,
            mask_threshold=settings.mask_threshold,
            tolerance=settings.tolerance,
            tile=tile_of(settings.tile),
            split=settings.split,
            copy=settings.copy,
            on_image=step,
        )
    _report(labeled, settings, reporter)
    return PARTIAL if labeled.failures else 0


def _report(labeled: "Labeled", settings: LabelSettings, reporter: Reporter) -> None:
    for failure in labeled.failures:
        say(f"condetr: failed: {failure.error}")
    for line in labeled.report.summary().splitlines():
        reporter.warn(line)
    if settings.format in _NEXT:
        reporter.note(f"condetr: {_NEXT[settings.format].format(root=labeled.output.absolute().parent)}")
    counts: dict[str, Any] = {"images": labeled.images, "objects": labeled.objects, "failed": len(labeled.failures)}
    counts["before"] = labeled.before
    if labeled.before:
        reporter.note(f"condetr: an earlier run, which did not end, had detected objects in {labeled.before} images")
    text = f"{labeled.output}: {labeled.images} images, {labeled.objects} objects, {len(labeled.failures)} failed"
    found = {"output": str(labeled.output), "format": settings.format, "counts": counts}
    failures = [failure.to_dict() for failure in labeled.failures]
    reporter.result(text, found | {"failures": failures, "problems": labeled.report.to_dict()})
