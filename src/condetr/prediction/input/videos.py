"""Which sources are videos and cameras, and refusing them."""

import os

from condetr.core.errors import UsageError
from condetr.prediction.image_files import has_video_name
from condetr.video.reading import Video

_DIGITS = 6


def is_video(source: object) -> bool:
    """Whether this is a file with the name of a video, an open video, or the number of a camera."""
    if isinstance(source, str | os.PathLike):
        path = os.fsdecode(source)
        if os.path.isfile(path):  # noqa: PTH113  a Path cannot hold every string
            return has_video_name(path)
        return is_camera(path) and not os.path.lexists(path)
    return isinstance(source, int | Video) and not isinstance(source, bool)


def is_camera(name: str) -> bool:
    """Whether this is the number of a camera; bounded, since Python refuses to parse very long numbers."""
    return name.isdecimal() and len(name) <= _DIGITS


def refuse_videos(
    source: object,
    reason: str = "is a video or camera; its results may not fit in memory",
    hint: str = "stream() returns one result at a time",
) -> None:
    """Refuse videos, by default because all results are held in memory.

    Raises:
        UsageError: a source is a video or a camera.
    """
    for single in source if isinstance(source, list | tuple) else [source]:
        if is_video(single):
            name = single.name if isinstance(single, Video) else single
            raise UsageError(reason, source=name, hint=hint)
