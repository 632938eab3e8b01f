"""PyAV, where it is installed: it decodes and encodes with FFmpeg."""

from typing import Any

from condetr.core.errors import MissingExtraError


def pyav() -> Any:
    """The library, told to keep what FFmpeg says to itself: what matters is raised.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import av
    except ImportError:
        raise MissingExtraError("PyAV", "video", "reading videos and cameras") from None
    av.logging.set_level(av.logging.PANIC)
    return av
