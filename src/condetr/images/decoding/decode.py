"""From a path, bytes, a binary stream or a PIL image to one upright RGB image; anything else is refused.

Pillow never sees the file itself: `containers` reads the header, refuses files crafted to take time or memory, and
passes on only the pixels. So time and memory of decoding grow with the bytes and pixels of a file only, and no
decoding has to be killed.
"""

from contextlib import AbstractContextManager

from PIL import Image

from condetr.core.errors import ImageError
from condetr.core.out_of_memory import is_out_of_memory, memory_for
from condetr.images.containers.header import Header, damaged
from condetr.images.containers.reading import read_header
from condetr.images.decoding.frames import warn_of_frames
from condetr.images.decoding.modes import bands_of
from condetr.images.decoding.orientation import turned, upright
from condetr.images.decoding.pixel_limit import Limit, check_size
from condetr.images.decoding.sources import Source, Stream, name_of, open_source
from condetr.images.decoding.truncation import strict_truncation


def decode(source: Source, *, pixel_limit: Limit = "default", channels: int = 3) -> Image.Image:
    """The upright image: RGB for three ``channels``, else see `bands_of`.

    Of an animation or a multi-page file it is the first, and a warning is logged. The content decides the format, not
    the file name. An image above ``pixel_limit`` is refused from its header, before any memory is allocated.

    Raises:
        ImageError: it cannot be read, is not an image of a supported format, is damaged, cut off, too large, or
            crafted to take time or memory.
        ModelError: not enough memory for its pixels.
    """
    name = name_of(source)
    if isinstance(source, Image.Image):
        with _memory_for(source.width, source.height, name):
            return bands_of(upright(decode_as_stored(source, pixel_limit=pixel_limit)), channels, name)
    with open_source(source) as stream:
        header = sound_header(stream, name, pixel_limit)
        with _memory_for(header.width, header.height, name):
            stored = turned(_pixels_of(header, name), header.orientation)
            return bands_of(stored, channels, name, bits=header.bits)


def decode_as_stored(source: Source, *, pixel_limit: Limit = "default") -> Image.Image:
    """The same, in its stored mode and orientation."""
    name = name_of(source)
    if isinstance(source, Image.Image):
        check_size(source.width, source.height, name, pixel_limit)
        with _memory_for(source.width, source.height, name):
            return _loaded(source, name)
    with open_source(source) as stream:
        header = sound_header(stream, name, pixel_limit)
        with _memory_for(header.width, header.height, name):
            return _pixels_of(header, name)


def sound_header(stream: Stream, name: str, pixel_limit: Limit = "default", *, whole: bool = True) -> Header:
    """The header of a file that may be decoded.

    Raises:
        ImageError: it must not be decoded. If not ``whole``, the rest of the file may still be damaged.
    """
    header = read_header(stream, name, whole=whole)
    check_size(header.width, header.height, name, pixel_limit)
    return header


def _pixels_of(header: Header, name: str) -> Image.Image:
    warn_of_frames(header.format, header.frames, name)
    with strict_truncation():
        try:
            image = header.open()
        except ImageError:
            raise
        except Exception as error:
            raise _explained(error, name) from error
        return _loaded(image, name)


def _loaded(image: Image.Image, name: str) -> Image.Image:
    try:
        image.load()
    except Exception as error:
        raise _explained(error, name) from error
    return image


def _explained(error: Exception, name: str) -> Exception:
    if is_out_of_memory(error):
        return MemoryError()
    if isinstance(error, TimeoutError):
        return ImageError(str(error), source=name, hint="convert it to JPEG or PNG")
    return damaged(str(error) or type(error).__name__, name)


def _memory_for(width: int, height: int, name: str) -> AbstractContextManager[None]:
    hint = "make it smaller, or lower --workers or --batch"
    return memory_for(f"decoding {width}x{height} pixels", source=name, hint=hint)
