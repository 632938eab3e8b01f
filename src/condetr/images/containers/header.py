"""The header of an image file in any format, and the limits shared by all formats."""

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from condetr.core.errors import ImageError
from condetr.images.decoding.sources import Stream

MOST_PARTS = 20_000  # segments, chunks, blocks or tags before the pixels; ordinary files have some hundreds
SMALLEST_PART = 128  # bytes on average, where there are more parts than that
MOST_FRAMES = 1_000  # frames that are counted
MOST_JUNK = 64 * 1024  # bytes between the parts that belong to none
MOST_XMP = 2**20  # bytes of XMP that are searched


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """An image file before its pixels are decoded.

    Attributes:
        format: Pillow's name of the format.
        width: as stored, before turning.
        height: as stored, before turning.
        orientation: from EXIF or XMP; 1 is upright.
        frames: pages of a TIFF, images of an animation; counted up to `MOST_FRAMES`.
        bits: per channel.
        open: returns Pillow's image, not decoded yet, without EXIF, comments and profiles.
    """

    format: str
    width: int
    height: int
    open: Callable[[], Image.Image]
    orientation: int = 1
    frames: int = 1
    bits: int = 8


class Parts:
    """Counts the parts of a file, and refuses a file with so many small parts that reading them takes long."""

    def __init__(self, kind: str, name: str) -> None:
        self._kind, self._name = kind, name
        self._count = self._bytes = 0

    def add(self, size: int) -> None:
        self._count += 1
        self._bytes += size
        if self._count > MOST_PARTS and self._bytes < self._count * SMALLEST_PART:
            raise ImageError(f"has more than {MOST_PARTS} {self._kind}", source=self._name, hint="save it again")


def exactly(stream: Stream, size: int, name: str) -> bytes:
    """The next ``size`` bytes.

    Raises:
        ImageError: the file ends before.
    """
    content = stream.read(size)
    if len(content) < size:
        raise damaged("it ends too early", name)
    return content


def length_of(stream: Stream) -> int:
    """The size of the file in bytes; the position of the stream stays."""
    position = stream.tell()
    try:
        return stream.seek(0, 2)
    finally:
        stream.seek(position)


def damaged(reason: object, name: str) -> ImageError:
    return ImageError(f"is damaged or incomplete: {reason}", source=name)
