"""The header of any supported image file."""

from collections.abc import Callable, Mapping

from condetr.core.errors import ImageError
from condetr.core.out_of_memory import is_out_of_memory
from condetr.images.containers.bmp import read_bmp
from condetr.images.containers.gif import read_gif
from condetr.images.containers.header import Header, damaged
from condetr.images.containers.jpeg import read_jpeg
from condetr.images.containers.png import SIGNATURE, read_png
from condetr.images.containers.pnm import MAGIC, read_pnm
from condetr.images.containers.tiff import read_tiff
from condetr.images.containers.webp import read_webp
from condetr.images.decoding.signatures import kind_of
from condetr.images.decoding.sources import Stream

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # EPS, PDF and similar would run programs
_READERS: Mapping[tuple[bytes, ...], Callable[[Stream, str, bool], Header]] = {
    (b"\xff\xd8\xff",): read_jpeg,
    (SIGNATURE,): read_png,
    (b"GIF87a", b"GIF89a"): read_gif,
    (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"): read_tiff,
    (b"RIFF",): read_webp,
    (b"BM",): read_bmp,
    MAGIC: read_pnm,
}


def read_header(stream: Stream, name: str, *, whole: bool = True) -> Header:
    """Size, orientation and number of frames. The content decides the format, not the file name.

    Args:
        stream: the file.
        name: of the file, for messages.
        whole: also check the rest of the file, and count frames; required before decoding the pixels.

    Raises:
        ImageError: not an image of a supported format, damaged, or crafted to take time or memory.
    """
    stream.seek(0)
    head = stream.read(256)
    reader = next((reader for signature, reader in _READERS.items() if head.startswith(signature)), None)
    if reader is None or (reader is read_webp and head[8:12] != b"WEBP"):
        reason, hint = kind_of(head)
        raise ImageError(reason, source=name, hint=f"{hint}; supported formats: {', '.join(FORMATS)}")
    try:
        return reader(stream, name, whole)
    except ImageError:
        raise
    except Exception as error:  # an impossible number in the header
        if is_out_of_memory(error):
            raise
        raise damaged(str(error) or type(error).__name__, name) from error
