"""What a picture can come from, what to call it in a message, and how to open a file without ever waiting."""

import io
import os
import stat
from typing import TypeAlias

from PIL import Image

from condetr.core.errors import ImageError

Path: TypeAlias = str | os.PathLike[str]
Encoded: TypeAlias = bytes | bytearray | memoryview
Source: TypeAlias = Path | Encoded | Image.Image
Stream: TypeAlias = io.BufferedReader | io.BytesIO


def name_of(source: Source) -> str:
    """What messages and results call a picture: its file name where it has one."""
    if isinstance(source, Image.Image):
        return str(getattr(source, "filename", "") or f"{source.mode} picture in memory")
    if isinstance(source, Encoded):
        return f"{len(source)} bytes in memory"
    return os.fspath(source)


def open_source(source: Path | Encoded) -> Stream:
    """A readable stream of the encoded picture.

    Raises:
        ImageError: the path cannot be read, or is a folder, pipe, socket or device.
    """
    if isinstance(source, Encoded):
        return io.BytesIO(source)
    name = name_of(source)
    if "://" in name:
        raise ImageError("is a URL; pictures are read from disk", source=name, hint="download it first")
    try:
        _refuse_special(os.stat(source), name)  # noqa: PTH116 - looked at before it is opened: opening a device can act on it
        descriptor = os.open(source, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError(f"cannot be read: {getattr(error, 'strerror', None) or error}", source=name) from error
    stream = os.fdopen(descriptor, "rb")
    try:
        _refuse_special(os.fstat(descriptor), name)  # it may have been swapped in between
    except ImageError:
        stream.close()
        raise
    return stream


def _refuse_special(status: os.stat_result, name: str) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    kinds = {stat.S_IFDIR: "folder", stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket"}
    kind = kinds.get(stat.S_IFMT(status.st_mode), "device")
    raise ImageError(f"is a {kind}, not a picture file", source=name)
