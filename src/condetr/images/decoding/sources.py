"""Where an image can come from, its name in messages, and opening a file without blocking."""

import io
import os
import stat
from collections.abc import Callable
from typing import Any, TypeAlias

from PIL import Image

from condetr.core.errors import CondetrError, ImageError

Path: TypeAlias = str | os.PathLike[str]
Encoded: TypeAlias = bytes | bytearray | memoryview
Stream: TypeAlias = io.BufferedReader | io.BytesIO
_LONGEST_NAME, _SHOWN = 4096, 60  # characters; longer text is not a path, but perhaps an image as text
MOST_BYTES = 2**30  # of a stream, which may be endless


class _Reads(type):
    def __instancecheck__(cls, value: object) -> bool:
        if cls.__mro__[1] is not object:  # a class of our own
            return super().__instancecheck__(value)
        return callable(getattr(value, "read", None)) and not isinstance(value, str | os.PathLike)


class Readable(metaclass=_Reads):
    """Anything with ``read``: an open binary file, `io.BytesIO`, an upload, a member of an archive."""

    read: Callable[[int], Any]


class StreamSource(Readable):
    """A part of a file that may be too large to be read as a whole."""

    name: str

    def opened(self) -> Stream:
        """A stream, which the caller closes. Raises ImageError."""
        raise NotImplementedError

    def read(self, size: int = -1) -> bytes:
        with self.opened() as stream:
            return stream.read(size)


Source: TypeAlias = Path | Encoded | Readable | Image.Image


def name_of(source: Source) -> str:
    """The name of an image in messages and results: its file name where it has one."""
    if isinstance(source, Image.Image):
        return str(getattr(source, "filename", "") or f"{source.mode} image in memory")
    if isinstance(source, Encoded):
        return f"{len(source)} bytes in memory"
    if isinstance(source, Readable):
        name = getattr(source, "name", None)
        return name if isinstance(name, str) and name else "stream"
    path = os.fspath(source)
    return path if len(path) <= _LONGEST_NAME else f"{path[:_SHOWN]}... ({len(path)} characters)"


def open_source(source: Path | Encoded | Readable) -> Stream:
    """A readable stream of the encoded image.

    Raises:
        ImageError: the path or stream cannot be read, or is a folder, pipe, socket or device.
    """
    if isinstance(source, Encoded):
        return io.BytesIO(source)
    if isinstance(source, StreamSource):
        return source.opened()
    if isinstance(source, Readable):
        return io.BytesIO(content_of(source))
    name = name_of(source)
    if "://" in name:
        raise ImageError("is a URL; images are read from disk", source=name, hint="download it first")
    try:
        _refuse_special(os.stat(source), name)  # noqa: PTH116 - checked before opening: opening a device can act on it
        descriptor = os.open(source, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        reason = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        is_path = len(os.fspath(source)) <= _LONGEST_NAME
        hint = None if is_path else "it is too long for a path; decode base64 and pass the bytes"
        raise ImageError(reason, source=name, hint=hint) from error
    stream = os.fdopen(descriptor, "rb")
    try:
        _refuse_special(os.fstat(descriptor), name)  # it may have been replaced meanwhile
    except ImageError:
        stream.close()
        raise
    return stream


def content_of(stream: Readable) -> bytes:
    """The whole content of a binary stream, from its beginning if it is seekable, as Pillow reads it.

    Raises:
        ImageError: it cannot be read, is a text stream or too large.
        CondetrError: what a source of our own raises.
    """
    name = name_of(stream)
    try:
        seek = getattr(stream, "seek", None)
        if seek is not None and getattr(stream, "seekable", lambda: True)():
            seek(0)
        content = stream.read(MOST_BYTES + 1)
    except CondetrError:
        raise
    except (OSError, ValueError) as error:  # closed, or not readable
        raise ImageError(f"cannot be read: {getattr(error, 'strerror', None) or error}", source=name) from error
    if not isinstance(content, Encoded):
        hint = "open it with mode 'rb'"
        raise ImageError(f"is a stream of {type(content).__name__}, expected bytes", source=name, hint=hint)
    if len(content) > MOST_BYTES:
        raise ImageError(f"is a stream of more than {MOST_BYTES} bytes", source=name)
    return bytes(content)


def _refuse_special(status: os.stat_result, name: str) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    kinds = {stat.S_IFDIR: "folder", stat.S_IFIFO: "named pipe", stat.S_IFSOCK: "socket"}
    kind = kinds.get(stat.S_IFMT(status.st_mode), "device")
    raise ImageError(f"is a {kind}, not an image file", source=name)
