"""What a scanner of any format answers, and the limits that all of them keep."""

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from condetr.core.errors import ImageError
from condetr.images.decoding.sources import Stream

MOST_PARTS = 20_000  # segments, chunks, blocks or tags of a file before its pixels; honest files have some hundreds
SMALLEST_PART = 128  # bytes on average, where there are more parts than that
MOST_FRAMES = 1_000  # that are counted
MOST_JUNK = 64 * 1024  # bytes between the parts that belong to none
MOST_XMP = 2**20  # bytes of it that are looked through


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """An image file before its pixels are decoded.

    Attributes:
        format: Pillow's name of it.
        width: as it is stored.
        height: as it is stored.
        orientation: which way up it is, of EXIF or XMP; 1 is upright.
        frames: pages of a TIFF, images of an animation; counted up to `MOST_FRAMES`.
        bits: of one level of one channel.
        open: gives Pillow's image, of which nothing is decoded yet. It sees neither EXIF nor comments or profiles.
    """

    format: str
    width: int
    height: int
    open: Callable[[], Image.Image]
    orientation: int = 1
    frames: int = 1
    bits: int = 8


class Parts:
    """Counts the parts of a file, and refuses a file of so many small ones that walking over them takes its time."""

    def __init__(self, kind: str, name: str) -> None:
        self._kind, self._name = kind, name
        self._count = self._bytes = 0

    def add(self, size: int) -> None:
        self._count += 1
        self._bytes += size
        if self._count > MOST_PARTS and self._bytes < self._count * SMALLEST_PART:
            raise ImageError(f"has more than {MOST_PARTS} {self._kind}", source=self._name, hint="save it anew")


def exactly(stream: Stream, size: int, name: str) -> bytes:
    """The next bytes, all of them.

    Raises:
        ImageError: the file ends before.
    """
    found = stream.read(size)
    if len(found) < size:
        raise damaged("it ends too early", name)
    return found


def length_of(stream: Stream) -> int:
    """Bytes in all; the stream stays where it is."""
    place = stream.tell()
    try:
        return stream.seek(0, 2)
    finally:
        stream.seek(place)


def damaged(reason: object, name: str) -> ImageError:
    return ImageError(f"is damaged or incomplete: {reason}", source=name)
