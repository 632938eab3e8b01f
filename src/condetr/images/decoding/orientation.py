"""Turning images upright: cameras store them as the sensor was held, with the orientation in EXIF."""

from PIL import Image

from condetr.core.out_of_memory import is_out_of_memory
from condetr.images.containers.exif import ORIENTATION, is_modest, orientation_of

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)
_ORIENTATION_KEYS = ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp")  # in Image.info


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """The image turned by an EXIF orientation; the same object if there is nothing to turn.

    A turned image loses its orientation tag, so that it is not turned again.
    """
    turn = TURNS.get(orientation)
    if turn is None:
        return image
    upright_image = image.transpose(turn)
    for name in _ORIENTATION_KEYS:
        upright_image.info.pop(name, None)
    return upright_image


def upright(image: Image.Image) -> Image.Image:
    """A PIL image turned by its own EXIF orientation; the same object if there is nothing to turn."""
    return turned(image, _orientation(image))


def _orientation(image: Image.Image) -> int:
    exif = image.info.get("exif")
    if isinstance(exif, bytes) and not is_modest(exif):
        return orientation_of(exif)
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception as error:  # Pillow raises anything on invalid EXIF, which is ignored
        if is_out_of_memory(error):
            raise
        return 1
