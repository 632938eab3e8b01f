"""``condetr data pick``: which images to label next."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from condetr.cli.output.outcome import ALL_FAILED, PARTIAL
from condetr.cli.output.progress_bar import progress
from condetr.cli.output.reporting import Reporter, say
from condetr.cli.settings.image_sources import ImageSources, images_of, refuse_videos
from condetr.cli.settings.model_settings import (
    Backend,
    Batch,
    ModelSettings,
    Precision,
    Tile,
    loaded,
    model_for,
    tile_of,
)
from condetr.cli.settings.shared import check_at_least
from condetr.core.errors import SettingsError
from condetr.prediction.options import PredictionOptions

if TYPE_CHECKING:
    from condetr.prediction.picking import Pick
    from condetr.prediction.predictor import Failure
    from condetr.prediction.sources import ImageSource


@dataclass(frozen=True, kw_only=True)
class PickSettings(ModelSettings):
    count: Annotated[int, "how many images"] = 50
    output: Annotated[Path | None, "list to write (.txt), for label and predict; default: stdout"] = None
    exclude: Annotated[
        tuple[str, ...] | None, "images, folders, datasets or lists that are already labeled; linked images count"
    ] = None
    classes: Annotated[tuple[str, ...] | None, "consider only these classes, by name or id"] = None
    backend: Backend = None
    precision: Precision = "fp32"
    tile: Tile = None
    batch: Batch = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least(1, count=self.count)
        PredictionOptions(batch=self.batch)  # raises
        tile_of(self.tile)
        if self.output is not None and self.output.suffix.lower() != ".txt":
            raise SettingsError(f"is {self.output}, expected a name that ends in .txt", item="output")


def pick(sources: ImageSources, settings: PickSettings, reporter: Reporter) -> int:
    """Choose the images to label next, those with uncertain detections and unlike the images chosen before.

    Exit status: 0 all done, 3 no image could be read, 4 some could not.
    """
    from condetr.prediction.predictor import Failure

    refuse_videos(sources)
    labeled = {_file_of(image) for image in images_of(list(settings.exclude or ()), None, Reporter(verbosity=-1))}
    images = [image for image in images_of(sources, None, reporter) if _file_of(image) not in labeled]
    model = loaded(model_for(settings.model, images, reporter), settings, reporter)
    failures: list[Failure] = []
    with progress("images", len(images), reporter) as step:
        picked = model.pick(
            images,
            count=settings.count,
            classes=settings.classes,
            batch=settings.batch,
            tile=tile_of(settings.tile),
            on_image=step,
            on_failure=failures.append,
        )
    for failure in failures:
        say(f"condetr: failed: {failure.error}")
    _report(picked, failures, len(images), settings, reporter)
    return 0 if not failures else PARTIAL if picked else ALL_FAILED


def _file_of(image: "ImageSource") -> object:
    """Equal for links to the same file, as datasets have them."""
    try:
        found = os.stat(image.name)  # noqa: PTH116  a Path cannot hold every string
    except (OSError, ValueError):
        return image.identity
    return found.st_dev, found.st_ino


def _report(
    picked: "list[Pick]", failures: "list[Failure]", images: int, settings: PickSettings, reporter: Reporter
) -> None:
    from condetr.files.atomic_write import write_files

    paths = [os.path.abspath(found.source) for found in picked]  # noqa: PTH100  resolve() would follow links
    in_list = [path for path in paths if "\n" not in path and "\r" not in path]
    if len(in_list) < len(paths):
        reporter.warn(f"{len(paths) - len(in_list)} names hold a line break, and cannot be in a list")
    text = "".join(f"{path}\n" for path in in_list)
    if settings.output is not None:
        write_files(settings.output.parent, {settings.output.name: partial(_write, os.fsencode(text))})
    shown = text.rstrip("\n") if settings.output is None else f"{settings.output}: {len(in_list)} of {images} images"
    reporter.result(
        os.fsencode(shown).decode(errors="replace"),
        {
            "output": None if settings.output is None else str(settings.output),
            "picked": [found._asdict() for found in picked],
            "images": images,
            "failures": [failure.to_dict() for failure in failures],
        },
    )


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)
