"""The size of an image from its header, fast enough to read a large dataset."""

from condetr.images.decoding.decode import sound_header
from condetr.images.decoding.orientation import SIDEWAYS
from condetr.images.decoding.sources import Path, Readable, name_of, open_source
from condetr.images.sizes import HeightWidth


def upright_size(source: Path | Readable) -> HeightWidth:
    """(height, width) as `decode` returns it: turned upright.

    Raises:
        ImageError: the file cannot be opened as an image. Its pixels may still turn out to be damaged.
    """
    with open_source(source) as stream:
        header = sound_header(stream, name_of(source), whole=False)
        sideways = header.orientation in SIDEWAYS
        return (header.width, header.height) if sideways else (header.height, header.width)
