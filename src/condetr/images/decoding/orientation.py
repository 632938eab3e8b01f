"""Which way up an image is: cameras store it as the sensor lay, and say in EXIF how to turn it."""

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
_SAID_IN = ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp")  # where Pillow finds an orientation


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """Turn an image the way an EXIF orientation says; the same object when there is nothing to turn.

    What was turned says nothing of an orientation any more, so that nobody turns it again.
    """
    turn = TURNS.get(orientation)
    if turn is None:
        return image
    upright_image = image.transpose(turn)
    for name in _SAID_IN:
        upright_image.info.pop(name, None)
    return upright_image


def upright(image: Image.Image) -> Image.Image:
    """Turn a PIL image the way its own EXIF orientation says; the same object when there is nothing to turn."""
    return turned(image, _orientation(image))


def _orientation(image: Image.Image) -> int:
    exif = image.info.get("exif")
    if isinstance(exif, bytes) and not is_modest(exif):
        return orientation_of(exif)
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception as error:  # Pillow raises anything on garbage, and garbage says nothing
        if is_out_of_memory(error):
            raise
        return 1
