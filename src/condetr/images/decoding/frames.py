"""Of a file with several images the first is read; that is no secret."""

import logging

MOST_WARNINGS = 3
_warned: set[str] = set()  # names
_logger = logging.getLogger(__name__)


def warn_of_frames(kind: str, frames: int, name: str) -> None:
    """Once a file, and of the first few files only: thousands of them have one cause."""
    if frames < 2 or name in _warned or len(_warned) >= MOST_WARNINGS:
        return
    _warned.add(name)
    more = "; further files with several are not mentioned" if len(_warned) == MOST_WARNINGS else ""
    what = "pages" if kind == "TIFF" else "frames"
    _logger.warning("%s: has %d %s, only the first is read%s", name, frames, what, more)
