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
from condetr.images.decoding.mapped import MappedPixels, can_be_mapped, upright_rgb
from condetr.images.decoding.modes import bands_of
from condetr.images.decoding.orientation import turned, upright
from condetr.images.decoding.pixel_limit import Limit, check_size
from condetr.images.decoding.sources import Source, Stream, name_of, open_source
from condetr.images.decoding.truncation import strict_truncation

_WRITES_ROWS = ("JPEG", "PNG", "TIFF", "BMP")  # Pillow's decoders that need no memory for the whole image
MAPPED_FROM = 64_000_000  # pixels of an image that is decoded into a file, where that is allowed


def decode(
    source: Source, *, pixel_limit: Limit = "default", channels: int = 3, may_be_mapped: bool = False
) -> Image.Image:
    """The upright image: RGB for three ``channels``, else see `bands_of`.

    Of an animation or a multi-page file it is the first, and a warning is logged. The content decides the format, not
    the file name. An image above ``pixel_limit`` is refused from its header, before any memory is allocated.
    With ``may_be_mapped``, a large RGB image may be a `MappedImage`, for a caller that only crops and resizes it.

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
            if may_be_mapped and channels == 3 and header.width * header.height > MAPPED_FROM:
                with strict_truncation():
                    image = _opened(header, name)
                if can_be_mapped(image.mode, header.bits) and header.format in _WRITES_ROWS:
                    return _mapped(image, header, name)
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
    with strict_truncation():
        return _loaded(_opened(header, name), name)


def _mapped(image: Image.Image, header: Header, name: str) -> Image.Image:
    pixels = MappedPixels(image.mode, (header.width, header.height))
    image.im = pixels.core  # where the decoder writes to
    with strict_truncation(), pixels.giving_back():
        _loaded(image, name)
    return upright_rgb(image, pixels, header.orientation, name)


def _opened(header: Header, name: str) -> Image.Image:
    warn_of_frames(header.format, header.frames, name)
    try:
        return header.open()
    except ImageError:
        raise
    except Exception as error:
        raise _explained(error, name) from error


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
