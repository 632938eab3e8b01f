"""Opening video files and cameras, but no playlists, which could open other files and URLs."""

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
    """PyAV's container of a file.

    Raises:
        UsageError: there is no such file.
        StorageError: the system cannot open it, for example because too many files are open.
        VideoError: not a video.
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot be read: {reason}", source=path, hint="check the path") from None
    if not stat.S_ISREG(mode):
        raise UsageError("is not a file", source=path, hint="check the path")
    try:
        return av.open(path, options={"format_whitelist": FORMATS, "protocol_whitelist": "file"})
    except OSError as error:  # of the system; the file may be valid
        hint = "close others, or allow more: ulimit -n" if error.errno in (errno.EMFILE, errno.ENFILE) else None
        raise StorageError(f"cannot be opened: {error.strerror}", source=path, hint=hint) from error
    except av.FFmpegError as error:
        if is_out_of_memory(error):
            raise out_of_memory("opening it", source=path, hint="free memory, or open fewer at once") from error
        hint = "it is not a video, or damaged; supported: MP4, MOV, MKV, WebM, AVI, MPEG, FLV, WMV, OGG"
        raise VideoError(f"cannot be opened: {error.strerror}", source=path, hint=hint) from error


def open_camera(av: Any, number: int) -> Any:
    """PyAV's container of a camera.

    Raises:
        UsageError: there is no camera of this number, or it is in use.
    """
    if sys.platform not in _CAMERAS:
        raise UsageError("cameras are supported on Linux and macOS only", source=f"camera {number}")
    kind, device = _CAMERAS[sys.platform]
    try:
        return av.open(device.format(number), format=kind)
    except (av.FFmpegError, OSError) as error:
        raise UsageError(
            f"cannot be opened: {error.strerror}", source=f"camera {number}", hint="is it in use?"
        ) from error
