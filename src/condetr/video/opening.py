"""A video file or a camera, opened: no playlists, which would open other files and addresses."""

import errno
import stat
import sys
from pathlib import Path
from typing import Any

from condetr.core.errors import StorageError, UsageError, VideoError
from condetr.core.out_of_memory import is_out_of_memory, out_of_memory

FORMATS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg"
_CAMERAS = {"linux": ("video4linux2", "/dev/video{}"), "darwin": ("avfoundation", "{}")}


def open_file(av: Any, path: str) -> Any:
    """The container that PyAV makes of a file.

    Raises:
        UsageError: there is no such file.
        StorageError: the system does not open it, for there are too many open files, say.
        VideoError: it is no video.
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot be read: {reason}", source=path, hint="check the path") from None
    if not stat.S_ISREG(mode):
        raise UsageError("is no file", source=path, hint="check the path")
    try:
        return av.open(path, options={"format_whitelist": FORMATS, "protocol_whitelist": "file"})
    except OSError as error:  # the system says no, and the file may be a good one
        hint = "close others, or allow more: ulimit -n" if error.errno in (errno.EMFILE, errno.ENFILE) else None
        raise StorageError(f"cannot be opened: {error.strerror}", source=path, hint=hint) from error
    except av.FFmpegError as error:
        if is_out_of_memory(error):
            raise out_of_memory("opening it", source=path, hint="free memory, or open fewer at once") from error
        hint = "it is no video, or a damaged one; supported: MP4, MOV, MKV, WebM, AVI, MPEG, FLV, WMV, OGG"
        raise VideoError(f"cannot be opened: {error.strerror}", source=path, hint=hint) from error


def open_camera(av: Any, number: int) -> Any:
    """The container that PyAV makes of a camera.

    Raises:
        UsageError: there is none of this number, or it is in use.
    """
    if sys.platform not in _CAMERAS:
        raise UsageError("cameras are read on Linux and macOS only", source=f"camera {number}")
    kind, place = _CAMERAS[sys.platform]
    try:
        return av.open(place.format(number), format=kind)
    except (av.FFmpegError, OSError) as error:
        raise UsageError(
            f"cannot be opened: {error.strerror}", source=f"camera {number}", hint="is it in use?"
        ) from error
