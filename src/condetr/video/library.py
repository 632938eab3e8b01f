"""PyAV, the optional binding of FFmpeg."""

from typing import Any

from condetr.core.errors import MissingExtraError


def pyav() -> Any:
    """The library, with FFmpeg's log disabled: errors are raised.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import av
    except ImportError:
        raise MissingExtraError("PyAV", "video", "reading videos and cameras") from None
    av.logging.set_level(av.logging.PANIC)
    return av
