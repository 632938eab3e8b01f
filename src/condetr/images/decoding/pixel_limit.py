"""The largest image that is decoded, checked from the header, so that a small file cannot take gigabytes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

from condetr.core.errors import ImageError, SettingsError

PIXEL_LIMIT = 100_000_000
VARIABLE = "CONDETR_PIXEL_LIMIT"
Limit: TypeAlias = int | Literal["default"] | None  # None: no limit


def check_size(width: int, height: int, name: str, limit: Limit = "default") -> None:
    """Check an image against the limit. Pillow's own limit is neither used nor changed.

    Args:
        width: of the image.
        height: of the image.
        name: for messages.
        limit: in pixels; "default" is the environment variable CONDETR_PIXEL_LIMIT, or `PIXEL_LIMIT`.

    Raises:
        ImageError: no pixels, or too many.
    """
    if width < 1 or height < 1:
        raise ImageError(f"has no pixels: {width}x{height}", source=name)
    most = default_limit() if limit == "default" else limit
    if most is not None and width * height > most:
        reason = f"{width}x{height} is {width * height} pixels, over the limit of {most} pixels"
        hint = f"make it smaller, or set {VARIABLE}={width * height}"
        raise ImageError(reason, source=name, hint=hint if limit == "default" else "make it smaller")


def default_limit() -> int:
    """Raises SettingsError where the environment variable is not a whole number above 0."""
    text = os.environ.get(VARIABLE, "").replace("_", "").strip()
    if not text:
        return PIXEL_LIMIT
    if not text.isascii() or not text.isdecimal() or len(text) > 18 or int(text) < 1:
        raise SettingsError(f"is {os.environ[VARIABLE]!r}, expected a number of pixels", item=VARIABLE)
    return int(text)


@contextmanager
def limited_to(pixels: int) -> Iterator[None]:
    """Another default limit for this process and those that it starts."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(pixels)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
