"""Which way up a picture is: cameras store it as the sensor lay, and say in EXIF how to turn it."""

from PIL import Image

ORIENTATION = 0x0112  # EXIF 2.32, table 4
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SAID_IN = ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp")  # where Pillow finds an orientation


def upright(picture: Image.Image) -> Image.Image:
    """Turn a picture the way its EXIF orientation says; the same object when there is nothing to turn.

    What was turned says nothing of an orientation any more, so that nobody turns it again.
    """
    try:
        turn = TURNS.get(picture.getexif().get(ORIENTATION, 1))
    except Exception:  # Pillow raises anything on garbage, and garbage says nothing
        return picture
    if turn is None:
        return picture
    turned = picture.transpose(turn)
    for name in _SAID_IN:
        turned.info.pop(name, None)
    return turned
