"""A warning where a file has several images, of which only the first is read."""

import logging

MOST_WARNINGS = 3
_warned: set[str] = set()  # file names
_logger = logging.getLogger(__name__)


def warn_of_frames(kind: str, frames: int, name: str) -> None:
    """Once per file, for the first few files only: in thousands of files the cause is the same."""
    if frames < 2 or name in _warned or len(_warned) >= MOST_WARNINGS:
        return
    _warned.add(name)
    more = "; further files are not reported" if len(_warned) == MOST_WARNINGS else ""
    what = "pages" if kind == "TIFF" else "frames"
    _logger.warning("%s: has %d %s, only the first is read%s", name, frames, what, more)
