"""Every PIL mode to RGB as a viewer shows it, never clipped to white.

Transparent pixels are blended with white, not with the color stored under them. 16-bit levels are divided by 257, so
that 65535 becomes 255, unless all of them fit into 8 or 12 bits: then they are taken as 8-bit or 12-bit levels, and
12-bit ones are scaled from 4095 (which is logged). Color profiles are not applied: the networks were trained without.
"""

import logging

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from condetr.core.errors import ImageError

_ALPHA = {"LA", "La", "PA", "RGBA", "RGBa"}
_WIDE = {"I", "I;16", "I;16L", "I;16B", "I;16N"}
_PLAIN = {"1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV", "LAB"}
_TWELVE_BITS = 4095
_DARK = _TWELVE_BITS >> 8  # 12-bit levels in a 16-bit color image, after Pillow dropped the lower 8 bits
_logger = logging.getLogger(__name__)
_warned: set[str] = set()  # causes


def rgb_of(image: Image.Image, name: str, *, bits: int = 8) -> Image.Image:
    """The image in RGB mode; the same object if it already is.

    Args:
        image: in any mode.
        name: for messages.
        bits: per channel in its file.

    Raises:
        ImageError: an unsupported mode, or levels out of its range.
    """
    if image.mode in _WIDE:
        return _from_levels(image, name)
    if image.mode == "F":
        return _from_floats(image, name)
    if bits == 16:
        _check_brightness(image, name)
    if image.mode in _ALPHA or (image.mode in _PLAIN and "transparency" in image.info):
        return _over_white(image)
    if image.mode in _PLAIN:
        return image.convert("RGB") if image.mode != "RGB" else image
    raise ImageError(f"images of mode {image.mode} are not supported", source=name, hint="convert it to RGB")


def bands_of(image: Image.Image, channels: int, name: str, *, bits: int = 8) -> Image.Image:
    """The image with this number of bands: RGB for three, gray for one; for any other number unchanged.

    Raises:
        ImageError: it has another number of bands, or `rgb_of` refuses it.
    """
    if channels == 3:
        return rgb_of(image, name, bits=bits)
    if channels == 1:
        return rgb_of(image, name, bits=bits).convert("L")
    bands = image.getbands()
    if len(bands) != channels or image.mode not in _ALPHA | _PLAIN:
        reason = f"an image of mode {image.mode} has {len(bands)} channels, expected {channels}"
        raise ImageError(reason, source=name, hint="image_mean has one number per channel")
    return image


def _over_white(image: Image.Image) -> Image.Image:
    image = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")  # Pillow converts La to nothing else
    if image.getchannel("A").getextrema() == (255, 255):
        return image.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _from_levels(image: Image.Image, name: str) -> Image.Image:
    levels = np.asarray(image)
    low, high = int(levels.min()), int(levels.max())
    if low < 0 or high > 65535:
        raise _out_of_range(image.mode, f"{low} to {high}", "0 to 65535", name)
    if high <= 255:
        return _gray(levels)
    if high <= _TWELVE_BITS:
        _warn_once("12 bits", f"{name}: 16-bit levels up to {high} are read as 12-bit levels: 4095 is white")
    most = _TWELVE_BITS if high <= _TWELVE_BITS else 65535
    return _gray(_bytes_of_levels(most)[levels])


def _bytes_of_levels(most: int) -> Shaped[np.ndarray, "levels"]:
    """The byte for each level, where ``most`` becomes 255."""
    levels = np.arange(65536, dtype=np.int64)
    return np.minimum((2 * levels * 255 + most) // (2 * most), 255).astype(np.uint8)


def _check_brightness(image: Image.Image, name: str) -> None:
    """Warn of nearly black images: of 16-bit color Pillow keeps the upper 8 bits, which 12-bit levels hardly use."""
    opaque = image.getchannel(0) if image.mode in ("LA", "La") else image.convert("RGB")
    highest = int(np.max(opaque.getextrema()))
    if 0 < highest <= _DARK:
        reason = f"{name}: 16-bit levels below {(highest + 1) << 8} of 65536, nearly black: are they 12-bit levels?"
        _warn_once("dark", f"{reason} If so, scale them to 8 bits first")


def _warn_once(cause: str, message: str) -> None:
    """Once per cause: in thousands of images it is the same."""
    if cause not in _warned:
        _warned.add(cause)
        _logger.warning("%s; further images like it are not reported", message)


def _from_floats(image: Image.Image, name: str) -> Image.Image:
    levels = np.asarray(image).astype(np.float64)
    low, high = float(levels.min()), float(levels.max())
    if not (low >= 0 and high <= 255):  # also refuses NaN
        raise _out_of_range(image.mode, f"{low:g} to {high:g}", "0 to 1 or 0 to 255", name)
    return _gray(np.rint(levels * 255 if high <= 1 else levels))


def _out_of_range(mode: str, range_: str, expected: str, name: str) -> ImageError:
    reason = f"values of this mode {mode} image range from {range_}, expected {expected}"
    return ImageError(reason, source=name, hint="scale it to 8 bits per channel")


def _gray(levels: Shaped[np.ndarray, "height width"]) -> Image.Image:
    return Image.fromarray(levels.astype(np.uint8)).convert("RGB")
