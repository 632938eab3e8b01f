"""The pages of a TIFF and the frames of a GIF, one by one.

A page is decoded like a file of its own, by the same rules. A frame of a GIF is drawn over those before it, so the
frames of a file are decoded in order, for all threads, and the last ones are kept for a while.
"""

import copy
import io
import os
import struct
import threading
from collections import OrderedDict
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any

from PIL import Image

from condetr.core.errors import ImageError
from condetr.core.out_of_memory import is_out_of_memory
from condetr.images.containers.gif_frames import frames_of
from condetr.images.containers.header import MOST_FRAMES, damaged
from condetr.images.containers.pieces import Pieces
from condetr.images.containers.reading import read_header
from condetr.images.containers.tiff import page_positions
from condetr.images.containers.tiff_tags import Layout, layout_of, read_directory
from condetr.images.decoding.modes import rgb_of
from condetr.images.decoding.pixel_limit import check_size
from condetr.images.decoding.sources import Readable, Stream, StreamSource, open_source
from condetr.images.decoding.truncation import strict_truncation

_ENDINGS = (".tif", ".tiff", ".gif")  # of files that are searched for pages
MOST_PAGES = MOST_FRAMES
_KIND, _REDUCED_OR_MASK = 254, 0b101  # tag 254 of a TIFF: a smaller version of another page, or its transparency
_KEPT_FRAMES, _KEPT_PIXELS = 32, 16_000_000  # of an animation
_OPEN_ANIMATIONS = 4


def has_page_ending(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in _ENDINGS  # noqa: PTH122  a Path cannot hold every string


def pages_of(path: str) -> Iterator["TiffPage | GifFrame | ImageError"]:
    """Every page, named ``scan.tif#page=1`` and so on, and an error for those that cannot be counted or are too many.

    Nothing for a file of one page, and for one that is no image, whose error comes when it is decoded. Smaller versions
    of a page, as pyramids have them, and masks are no pages.
    """
    try:
        with open_source(path) as stream:
            kind = read_header(stream, path, whole=False).format
            if kind == "GIF":
                frames = frames_of(stream, path, MOST_PAGES + 1)
                numbers, is_damaged = list(range(1, frames.whole + 1)), frames.is_damaged
            elif kind == "TIFF":
                numbers, is_damaged = _full_pages(stream, path)
            else:
                return
    except ImageError:
        return
    if len(numbers) > 1 or numbers[:1] > [1]:
        page_of = TiffPage if kind == "TIFF" else GifFrame
        yield from (page_of(path, number) for number in numbers[:MOST_PAGES])
        if len(numbers) > MOST_PAGES:
            reason = f"has more than {MOST_PAGES} pages; those from page {numbers[MOST_PAGES]} on are not read"
            yield ImageError(reason, source=path, hint="divide it into several files")
        elif is_damaged:
            yield damaged(f"nothing can be read behind page {numbers[-1]}", path)


class TiffPage(StreamSource):
    """A page of a TIFF on disk, which is decoded as if it were the only one."""

    def __init__(self, path: str, number: int) -> None:
        """``number`` counts from 1."""
        self.name, self.number, self._path = f"{path}#page={number}", number, path

    def opened(self) -> Stream:
        stream = open_source(self._path)
        try:
            layout = layout_of(stream, self.name)
            pages = page_positions(stream, layout, self.name)
            found = next(islice(pages, self.number - 1, None), None)
        except Exception as error:
            stream.close()
            if isinstance(error, ImageError) or is_out_of_memory(error):
                raise
            raise damaged(str(error), self.name) from error  # it has been replaced meanwhile
        if found is None:
            stream.close()
            raise ImageError("has no such page any more", source=self.name)
        start, end = found
        assert isinstance(stream, io.BufferedReader), "it is a file"
        return io.BufferedReader(_OnePage(stream, layout, start, end))


class GifFrame(Readable):
    """A frame of a GIF on disk with the ``read`` of a binary stream, in the PPM format."""

    def __init__(self, path: str, number: int) -> None:
        """``number`` counts from 1."""
        self.name, self.number, self._path = f"{path}#page={number}", number, path

    def read(self, size: int = -1) -> bytes:
        """The frame as an image. Raises ImageError."""
        with open_source(self._path) as stream:
            status = os.fstat(stream.fileno())
        image = _animation(self._path, status.st_size, status.st_mtime_ns).frame(self.number, self.name)
        content = b"P6 %d %d 255\n" % image.size + image.tobytes()
        return content if size < 0 else content[:size]


def page_from_anywhere(page: TiffPage | GifFrame) -> TiffPage | GifFrame:
    """The same page, under the same name, for a process with another working folder."""
    moved = copy.copy(page)
    moved._path = os.path.abspath(page._path)  # noqa: PTH100  a Path cannot hold every string
    return moved


def _full_pages(stream: Stream, name: str) -> tuple[list[int], bool]:
    """The numbers of the pages that are no versions of others, and whether a page cannot be found."""
    numbers, layout = [], layout_of(stream, name)
    try:
        for number, (start, _) in enumerate(islice(page_positions(stream, layout, name), 10 * MOST_PAGES), start=1):
            if not _is_version(stream, layout, start, name):
                numbers.append(number)
            if len(numbers) > MOST_PAGES:
                break
    except ImageError:
        return numbers, True
    return numbers, False


def _is_version(stream: Stream, layout: Layout, start: int, name: str) -> bool:
    try:
        kind = read_directory(stream, layout, start, name).numbers(stream, _KIND, name)
    except (ImageError, struct.error):
        return False  # decoding it raises
    return bool(kind and kind[0] & _REDUCED_OR_MASK)


class _OnePage(io.RawIOBase):
    """A TIFF whose first and last page is a certain one."""

    def __init__(self, stream: io.BufferedReader, layout: Layout, start: int, end: int) -> None:
        """``start``: of the directory of the page; ``end``: where the offset of the next one stands."""
        self._file = stream.detach()
        first = 8 if layout.offset_size == 8 else 4
        code = layout.order + layout.offset
        self._changes = {end: bytes(layout.offset_size), first: struct.pack(code, start)}
        self._file.seek(0)

    def readinto(self, buffer: Any) -> int | None:
        at = self._file.tell()
        count: int = self._file.readinto(buffer)
        for start, content in self._changes.items():
            first, last = max(at, start), min(at + count, start + len(content))
            if first < last:
                buffer[first - at : last - at] = content[first - start : last - start]
        return count

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()
        super().close()


class _Animation:
    """The frames of a GIF. Threads may ask for them in any order; nearly the right one takes the least time."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stream: Stream | None = None
        self._decoder: tuple[Image.Image, Pieces] | None = None
        self._at = self._count = 0
        self._kept: OrderedDict[int, Image.Image] = OrderedDict()

    def __del__(self) -> None:
        self._close()

    def frame(self, number: int, name: str) -> Image.Image:
        """The RGB image of a frame, counted from 1.

        Raises:
            ImageError: it cannot be decoded, or the animation is too large.
        """
        with self._lock, strict_truncation():
            if number in self._kept:
                return self._kept[number]
            try:
                return self._decoded(number, name)
            except Exception as error:
                self._close()
                if isinstance(error, ImageError):
                    raise error.at(source=name) from error
                if is_out_of_memory(error):
                    raise
                raise damaged(error or type(error).__name__, name) from error

    def _decoded(self, number: int, name: str) -> Image.Image:
        if self._decoder is None or number <= self._at:
            self._open()
        assert self._decoder is not None, "just opened"
        if number > self._count:
            raise ImageError("has no such page any more", source=name)
        image, pieces = self._decoder
        pieces.restart_clock()
        rgb = image
        while self._at < number:
            image.seek(self._at)
            image.load()
            self._at += 1
            if number - self._at < _KEPT_FRAMES:
                rgb = rgb_of(image.copy(), name)
                self._keep(self._at, rgb)
        if number == self._count:
            self._close()
        return rgb

    def _open(self) -> None:
        self._close()
        self._stream = open_source(self._path)
        read_header(self._stream, self._path)  # raises
        frames = frames_of(self._stream, self._path, MOST_PAGES)
        check_size(frames.width, frames.height, self._path)
        self._decoder, self._count = frames.open(self._stream), frames.whole

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream, self._decoder, self._at = None, None, 0

    def _keep(self, number: int, image: Image.Image) -> None:
        self._kept[number] = image
        while len(self._kept) > _KEPT_FRAMES or len(self._kept) * image.width * image.height > _KEPT_PIXELS:
            self._kept.popitem(last=False)


@lru_cache(maxsize=_OPEN_ANIMATIONS)
def _animation(path: str, size: int, changed: int) -> _Animation:  # noqa: ARG001  a changed file is read anew
    return _Animation(path)
