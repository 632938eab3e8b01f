"""BMP: size and compression at fixed offsets."""

import struct

from PIL import BmpImagePlugin, Image

from condetr.core.errors import ImageError
from condetr.images.containers.header import Header, exactly, length_of
from condetr.images.decoding.sources import Stream

MOST_RUNS = 2**22  # bytes of run lengths; Pillow decodes them in Python
_RUNS = (1, 2)  # RLE8 and RLE4


def read_bmp(stream: Stream, name: str, whole: bool) -> Header:  # noqa: ARG001, FBT001 - the signature of all readers
    """Raises ImageError where there are too many run lengths."""
    stream.seek(14)
    head = exactly(stream, 20, name)
    if head[:4] == b"\x0c\0\0\0":  # OS/2
        (width, height), compression = struct.unpack_from("<HH", head, 4), 0
    else:
        width, height = (abs(side) for side in struct.unpack_from("<ii", head, 4))
        (compression,) = struct.unpack_from("<L", head, 16)
    length = length_of(stream)
    if compression in _RUNS and length > MOST_RUNS:
        reason = f"holds {length} bytes of run lengths, more than {MOST_RUNS}"
        raise ImageError(reason, source=name, hint="save it without compression, or as PNG")

    def open_image() -> Image.Image:
        stream.seek(0)
        return BmpImagePlugin.BmpImageFile(stream)

    return Header(format="BMP", width=width, height=height, open=open_image)
