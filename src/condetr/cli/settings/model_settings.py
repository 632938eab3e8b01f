"""Which model a command runs, and which of its detections are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeAlias

import condetr
from condetr.bundled import DIGITS
from condetr.cli.output.reporting import Reporter
from condetr.cli.settings.command import CommonSettings
from condetr.cli.settings.shared import size_of_text
from condetr.core import names
from condetr.prediction.options import PredictionOptions

if TYPE_CHECKING:
    from condetr.api.detector import Detector
    from condetr.api.exported_model import ExportedModel
    from condetr.api.loaded_model import LoadedModel
    from condetr.prediction.sources import ImageSource

Model: TypeAlias = Annotated[
    str | None, "hub id, bundled model, folder of a model, run or export, or weights file; default: condetr/digits"
]
Revision: TypeAlias = Annotated[str | None, "branch, tag or commit of a hub id"]
Backend: TypeAlias = Annotated[names.Backend | None, "runtime; default: that of the exported model, or torch"]
Precision: TypeAlias = Annotated[names.Precision, "compute precision; rejected on devices where it would be slower"]
Compile: TypeAlias = Annotated[bool, "use torch.compile; pays off for many images of one size"]
Task: TypeAlias = Annotated[
    names.Task | None, "detect (boxes), instance (with masks) or panoptic (every pixel); default: the model's"
]
Batch: TypeAlias = Annotated[int, "maximum number of images per batch; does not change the results"]
Tile: TypeAlias = Annotated[
    str | None, "also detect in tiles of this size, 640 or 480x640 pixels: for small objects in large images"
]


@dataclass(frozen=True, kw_only=True)
class ModelSettings(CommonSettings):
    model: Model = None
    revision: Revision = None
    image_size: Annotated[
        str | None, "resize to this shortest edge, or to HEIGHTxWIDTH; default: the model's preprocessing"
    ] = None

    def __post_init__(self) -> None:
        if self.image_size is not None:
            size_of_text(self.image_size, "image_size")


@dataclass(frozen=True, kw_only=True)
class DetectionSettings(ModelSettings):
    threshold: Annotated[float, "leave out detections that score at or below this"] = 0.5
    classes: Annotated[tuple[str, ...] | None, "detect only these classes, by name or id"] = None
    top_k: Annotated[int, "maximum number of detections per image"] = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        PredictionOptions(top_k=self.top_k)  # raises
        if isinstance(self.threshold, int | float):  # else the classes have thresholds of their own
            PredictionOptions(threshold=self.threshold)


def tile_of(text: str | None) -> tuple[int, int] | None:
    """(height, width) of a tile, where one is given."""
    if text is None:
        return None
    from condetr.prediction.tiling import checked_tile

    return checked_tile(size_of_text(text, "tile"))


def model_or_bundled(model: str | None, reporter: Reporter) -> str:
    if model is None:
        reporter.note(f"condetr: no --model was given: {DIGITS}, bundled with condetr, detects handwritten digits")
        return DIGITS
    return model


def model_for(model: str | None, images: "Sequence[ImageSource]", reporter: Reporter) -> str:
    """The same for a command that detects objects in images: without a model, only in demo scenes.

    Raises:
        UsageError: no model was given, and they show something else.
    """
    if model is None:
        from condetr.prediction.bundled_model_check import check_handwriting

        check_handwriting(images, option="--model {}")
    return model_or_bundled(model, reporter)


def loaded(reference: str, settings: ModelSettings, reporter: Reporter) -> "Detector | ExportedModel":
    """Load the model with those of the command's options that concern it, and report what was noted."""
    size = None if settings.image_size is None else size_of_text(settings.image_size, "image_size")
    others = {name: getattr(settings, name) for name in ("backend", "precision", "compile") if hasattr(settings, name)}
    model = condetr.load(reference, revision=settings.revision, device=settings.device, image_size=size, **others)
    where = model.checkpoint.provenance
    if where.revision is not None:
        reporter.note(f"condetr: {reference} is at commit {where.revision}")
    for note in where.notes:
        reporter.detail(f"condetr: {note}")
    return model


def found_at_any_score(model: "LoadedModel") -> names.Task:
    """The task whose detections can be filtered by a threshold afterwards; segments compete for their pixels."""
    return "detect" if model.task == "detect" else "instance"
