"""Settings that several commands share."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from condetr.bundled import DIGITS
from condetr.cli.output.reporting import Reporter
from condetr.cli.settings.value_types import is_count
from condetr.core.errors import SettingsError

if TYPE_CHECKING:
    from condetr.prediction.sources import ImageSource

BACKEND = "what is to compute; else what the model was exported for, or torch"
TASK = "detect (boxes), instance (with masks) or panoptic (every pixel); else what the model was made for"

_LARGEST_NAMES = 4 << 20  # bytes of a file of class names

PRECISION = "what the network computes in; refused where it is slower"
COMPILE = "wait for torch.compile, which may pay for many images of one size"


def check_at_least(least: int, **settings: int) -> None:
    for name, value in settings.items():
        if value < least:
            raise SettingsError(f"is {value}, expected at least {least}", item=name)


def size_of_text(text: str, item: str) -> int | tuple[int, int]:
    """``640`` for a shortest edge, ``480x640`` for exactly this height and width."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(is_count(side) and int(side) > 0 for side in sides):
        raise SettingsError(f"is {text!r}, expected pixels such as 640, or HEIGHTxWIDTH such as 480x640", item=item)
    return int(sides[0]) if len(sides) == 1 else (int(sides[0]), int(sides[1]))


TILE = "also look at parts of this size, 640 or 480x640 pixels: for small objects in large images"


def tile_of(text: str | None) -> tuple[int, int] | None:
    """(height, width) of a tile, where one is asked for."""
    if text is None:
        return None
    from condetr.prediction.tiling import checked_tile

    return checked_tile(size_of_text(text, "tile"))


def model_or_bundled(model: str | None, reporter: Reporter) -> str:
    if model is None:
        reporter.note(f"condetr: no --model was given: {DIGITS} finds handwritten digits, and comes with condetr")
        return DIGITS
    return model


def model_for(model: str | None, images: "Sequence[ImageSource]", reporter: Reporter) -> str:
    """The same where it is to find something in images: without a model only in those of the demo.

    Raises:
        UsageError: no model was given, and they show something else.
    """
    if model is None:
        from condetr.prediction.bundled_model_check import check_handwriting

        check_handwriting(images, option="--model {}")
    return model_or_bundled(model, reporter)


def names_in(file: Path) -> list[str]:
    """The names in a text file, one in a line.

    Raises:
        SettingsError: it cannot be read, or holds none.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST_NAMES + 1)
        if len(content) > _LARGEST_NAMES:
            raise SettingsError(f"holds more than {_LARGEST_NAMES} bytes, too many for names", source=file)
        names = [line.strip() for line in content.decode("utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise SettingsError("cannot be read: it is not UTF-8 text", source=file) from error
    except (OSError, ValueError) as error:
        if isinstance(error, SettingsError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"cannot be read: {reason}", source=file) from error
    if not names:
        raise SettingsError("holds no names, expected one in a line", source=file)
    return names
