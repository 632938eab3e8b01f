"""The image files that a command works on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from condetr.cli.output.reporting import Reporter
from condetr.core.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from condetr.prediction.sources import ImageSource

ImageSources: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        help="Files, folders, patterns, or lists (.txt, .csv) of images.", metavar="IMAGES", show_default=False
    ),
]


def images_of(sources: list[str], output: Path | None, reporter: Reporter) -> "list[ImageSource]":
    """Every image once, without those in the folder ``output``; of a file of several pages the first.

    Raises:
        UsageError: a source does not exist, which ends the run before it begins.
    """
    from condetr.prediction.sources import images_in

    images: dict[str, ImageSource] = {}
    repeated = 0
    for image in images_in(sources, apart_from=output, pages=False):
        if isinstance(image.content, UsageError | MissingExtraError):
            raise image.content
        repeated += image.identity in images
        images.setdefault(image.identity, image)
    if repeated:
        reporter.note(f"condetr: skipped duplicate images: {repeated}")
    return list(images.values())


def refuse_videos(sources: list[str]) -> None:
    """Raises UsageError: a source is a video or a camera."""
    from condetr.prediction.input.videos import refuse_videos as refuse

    refuse(
        sources, "is a video or camera, not an image file", "condetr predict reads videos; save frames as images first"
    )
