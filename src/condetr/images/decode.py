"""From a path, bytes or a PIL picture to one upright RGB picture; whatever is not one is refused by name."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, ImageFile, UnidentifiedImageError

from condetr.core.errors import ImageError
from condetr.images.modes import rgb_of
from condetr.images.orientation import upright
from condetr.images.signatures import kind_of
from condetr.images.sources import Source, Stream, name_of, open_source

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # EPS, PDF and the like would run programs
PIXEL_LIMIT = 100_000_000
_pillow_settings = threading.RLock()


def decode(source: Source, *, pixel_limit: int | None = PIXEL_LIMIT) -> Image.Image:
    """The upright RGB picture; of an animation or a multi-page file, the first.

    The content decides the format, not the file name. A picture above ``pixel_limit`` is refused from
    its header, before any memory is spent on it.

    Raises:
        ImageError: it cannot be read, is no picture of a supported format, is damaged, cut off or too large.
    """
    return rgb_of(upright(decode_as_stored(source, pixel_limit=pixel_limit)), name_of(source))


def decode_as_stored(source: Source, *, pixel_limit: int | None = PIXEL_LIMIT) -> Image.Image:
    """The same, in the mode and orientation it is stored in."""
    name = name_of(source)
    if isinstance(source, Image.Image):
        _check_size(source, name, pixel_limit)
        return _loaded(source, name)
    with open_source(source) as stream, _strict_truncation():
        picture = opened(stream, name, pixel_limit)
        if picture.format == "PNG":
            _check_checksums(picture, name)
            picture = opened(stream, name, pixel_limit)
        return _loaded(picture, name)


def opened(stream: Stream, name: str, pixel_limit: int | None) -> Image.Image:
    """The picture behind its header; its pixels are not read yet."""
    stream.seek(0)
    try:
        with _own_pixel_limit():
            picture = Image.open(stream, formats=FORMATS)
    except UnidentifiedImageError:
        stream.seek(0)
        reason, hint = kind_of(stream.read(256))
        raise ImageError(reason, source=name, hint=f"{hint}; supported formats: {', '.join(FORMATS)}") from None
    except Exception as error:
        raise _damaged(error, name) from error
    _check_size(picture, name, pixel_limit)
    return picture


def _check_checksums(picture: Image.Image, name: str) -> None:
    """Pillow checks the checksums of PNG pixel data only when asked; the file must be opened anew afterwards."""
    try:
        picture.verify()
    except Exception as error:
        raise _damaged(error, name) from error


def _check_size(picture: Image.Image, name: str, pixel_limit: int | None) -> None:
    width, height = picture.size
    if width < 1 or height < 1:
        raise ImageError(f"has no pixels: {width}x{height}", source=name)
    if pixel_limit is not None and width * height > pixel_limit:
        reason = f"{width}x{height} is {width * height} pixels, over the limit of {pixel_limit} pixels"
        raise ImageError(reason, source=name, hint="make it smaller, or raise the pixel limit")


def _loaded(picture: Image.Image, name: str) -> Image.Image:
    try:
        picture.load()
    except Exception as error:
        raise _damaged(error, name) from error
    return picture


def _damaged(error: Exception, name: str) -> ImageError:
    return ImageError(f"is damaged or incomplete: {error or type(error).__name__}", source=name)


@contextmanager
def _own_pixel_limit() -> Iterator[None]:
    """Pillow warns at one size and refuses at twice that; the caller's limit takes the place of both."""
    with _pillow_settings:
        theirs, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = theirs


@contextmanager
def _strict_truncation() -> Iterator[None]:
    """A picture that is cut off is refused, even where another library told Pillow to fill the rest with gray."""
    if not ImageFile.LOAD_TRUNCATED_IMAGES:
        yield
        return
    with _pillow_settings:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        try:
            yield
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = True
