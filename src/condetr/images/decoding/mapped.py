"""Images that are larger than memory should hold: decoded once into a file, of which parts are read.

No decoder of Pillow reads a window of a JPEG or PNG, but each writes its rows into memory that it is handed. Here that
is a mapped temporary file, whose pages are given back to the system while rows are decoded and after each part.
"""

import mmap
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from condetr.core.errors import StorageError
from condetr.images.decoding.modes import rgb_of
from condetr.images.decoding.orientation import SIDEWAYS, turned

_BYTES = {"L": 1, "P": 1} | dict.fromkeys(("RGB", "RGBA", "CMYK", "YCbCr", "LA"), 4)  # of a pixel, by mode
_FROM_BOTTOM = (3, 4)  # EXIF orientations in which stored rows run upwards
_FROM_RIGHT = (6, 7)  # in which they are columns from right to left
_BAND = 128  # rows that are converted at once
_SECONDS = 0.05  # between giving pages back


class MappedImage(Image.Image):
    """An RGB image whose pixels lie in a temporary file. Its parts are ordinary images."""

    def __init__(self, pixels: "MappedPixels") -> None:
        super().__init__()
        self._pixels = pixels
        self.im = pixels.core
        self._mode, self._size = pixels.core.mode, pixels.core.size

    def crop(self, box: Any = None) -> Image.Image:
        part = super().crop(box)
        self._pixels.give_back()
        return part

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        """Refused, since Pillow would look for the pixels in memory of its own."""
        raise ValueError("the pixels are in a file")


class MappedPixels:
    """Pixels in a temporary file, which is gone when nothing refers to them any more.

    ``core`` is Pillow's image.
    """

    def __init__(self, mode: str, size: tuple[int, int]) -> None:
        """Raises StorageError where the folder for temporary files has no room."""
        line = size[0] * _BYTES[mode]
        folder = tempfile.gettempdir()
        try:
            with tempfile.TemporaryFile(prefix="condetr-", dir=folder) as file:
                if hasattr(os, "posix_fallocate"):  # else writing to a full disk would end the process
                    os.posix_fallocate(file.fileno(), 0, line * size[1])
                else:
                    file.truncate(line * size[1])
                self._memory = mmap.mmap(file.fileno(), line * size[1])
        except OSError as error:
            reason = f"cannot hold {line * size[1]} bytes of a large image: {error.strerror or error}"
            raise StorageError(reason, source=folder, hint="set TMPDIR to a folder with more room") from error
        core: Any = Image.core  # type: ignore[attr-defined]
        self.core = core.map_buffer(self._memory, size, "raw", 0, (mode, line, 1))

    def give_back(self) -> None:
        """Let the system take the memory of all pages; they are read again from the file."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._memory.madvise(mmap.MADV_DONTNEED)

    @contextmanager
    def giving_back(self) -> Iterator[None]:
        """Do so again and again, while a decoder writes."""
        done = threading.Event()

        def run() -> None:
            while not done.wait(_SECONDS):
                self.give_back()

        thread = threading.Thread(target=run, name="condetr-pages", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self.give_back()


def can_be_mapped(mode: str, bits: int) -> bool:
    """Whether such pixels may be converted in parts; the levels of 16 bits are judged as a whole."""
    return mode in _BYTES and bits <= 8


def upright_rgb(stored: Image.Image, pixels: MappedPixels, orientation: int, name: str) -> MappedImage:
    """The upright RGB image of decoded pixels, converted a band of rows at a time into a second file if need be.

    Args:
        stored: with the palette and transparency that belong to the pixels.
        pixels: as stored.
        orientation: of EXIF.
        name: for messages.

    Raises:
        StorageError: there is no room for the second file.
    """
    width, height = pixels.core.size
    if stored.mode == "RGB" and "transparency" not in stored.info and orientation not in range(2, 9):
        return MappedImage(pixels)
    upright = MappedPixels("RGB", (height, width) if orientation in SIDEWAYS else (width, height))
    for top in range(0, height, _BAND):
        bottom = min(top + _BAND, height)
        band = turned(rgb_of(stored.crop((0, top, width, bottom)), name), orientation)
        start = height - bottom if orientation in _FROM_BOTTOM + _FROM_RIGHT else top
        left, upper = (start, 0) if orientation in SIDEWAYS else (0, start)
        band.load()
        upright.core.paste(band.im, (left, upper, left + band.width, upper + band.height))
        pixels.give_back()
        upright.give_back()
    return MappedImage(upright)
