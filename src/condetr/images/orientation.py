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


def upright(picture: Image.Image) -> Image.Image:
    """Turn a picture the way its EXIF orientation says; the same object when there is nothing to turn."""
    try:
        turn = TURNS.get(picture.getexif().get(ORIENTATION, 1))
    except Exception:  # Pillow raises anything on garbage, and garbage says nothing
        return picture
    return picture if turn is None else picture.transpose(turn)
