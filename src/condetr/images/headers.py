"""The size of a picture without its pixels: what reading a large data set can afford."""

from io import BufferedIOBase

from PIL import Image

from condetr.images.decode import PIXEL_LIMIT, decode, opened
from condetr.images.orientation import ORIENTATION, TURNS
from condetr.images.sizes import HeightWidth
from condetr.images.sources import Path, name_of, open_source

_SIDEWAYS = {Image.Transpose.TRANSPOSE, Image.Transpose.TRANSVERSE} | {
    Image.Transpose.ROTATE_90,
    Image.Transpose.ROTATE_270,
}
_PNG_SIGNATURE = 8  # bytes


def upright_size(path: Path) -> HeightWidth:
    """(height, width) as `decode` will give it: turned the way EXIF says.

    Raises:
        ImageError: the file cannot be opened as a picture. Its pixels may still turn out to be damaged.
    """
    with open_source(path) as stream:
        picture = opened(stream, name_of(path), PIXEL_LIMIT)
        if picture.format == "TIFF":  # Pillow turns it itself, while loading
            width, height = decode(path).size
            return height, width
        turn = TURNS.get(_orientation(picture, stream))
        return (picture.width, picture.height) if turn in _SIDEWAYS else (picture.height, picture.width)


def _orientation(picture: Image.Image, stream: BufferedIOBase) -> int:
    try:
        if picture.format == "PNG" and not _has_late_exif(stream):
            return Image.Image.getexif(picture).get(ORIENTATION, 1)  # PNG's own would decode the pixels first
        return picture.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow raises anything on garbage, and garbage says nothing
        return 1


def _has_late_exif(stream: BufferedIOBase) -> bool:
    """Whether a PNG has a chunk behind its pixels that may turn the picture."""
    back, passed = stream.tell(), False
    stream.seek(_PNG_SIGNATURE)
    try:
        while len(head := stream.read(8)) == 8:
            kind = head[4:]
            passed = passed or kind == b"IDAT"
            if passed and kind in (b"eXIf", b"iTXt"):
                return True
            stream.seek(int.from_bytes(head[:4], "big") + 4, 1)
        return False
    finally:
        stream.seek(back)
