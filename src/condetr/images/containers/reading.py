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

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # EPS, PDF and the like would run programs
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
        name: what messages call it.
        whole: also check what lies behind the header, and count frames; needed before the pixels are decoded.

    Raises:
        ImageError: it is no image of a supported format, is damaged, or made to take time or memory.
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
    except Exception as error:  # a number in it that no file can have
        if is_out_of_memory(error):
            raise
        raise damaged(str(error) or type(error).__name__, name) from error
