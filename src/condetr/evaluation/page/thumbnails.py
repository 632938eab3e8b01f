"""Small copies of images, as large as a number of bytes for all of them allows."""

from base64 import b64encode
from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple

from PIL import Image

from condetr.core.errors import ImageError
from condetr.data.checks.contact_sheet import evenly_spread
from condetr.images.decoding.decode import decode
from condetr.images.decoding.sources import Source


class _Setting(NamedTuple):
    side: int
    quality: int


_SETTINGS = tuple(
    _Setting(side, quality)
    for side, quality in (
        (320, 70), (256, 60), (224, 55), (192, 50), (160, 45), (128, 40), (112, 35), (96, 30), (80, 25), (64, 20),
    )
)  # fmt: skip
_SAMPLED = 16  # images, from which the size of all is estimated


def thumbnails(sources: Sequence[Source], room: int) -> list[str]:
    """WebP images in base64; "" for what cannot be read.

    Args:
        sources: of the images.
        room: characters for all of them, estimated from a sample; the smallest copies, of 64 pixels a side, are made
            even where they take more.
    """
    sample = [image for position in evenly_spread(len(sources), _SAMPLED) if (image := _image(sources[position]))]
    each = room / max(1, len(sources))
    setting = next(
        (
            setting
            for setting in _SETTINGS
            if sum(len(_encoded(image, setting)) for image in sample) <= each * len(sample)
        ),
        _SETTINGS[-1],
    )
    images = (_image(source) for source in sources)
    return ["" if image is None else _encoded(image, setting) for image in images]


def _image(source: Source) -> Image.Image | None:
    """No larger than any copy, so that a sample of large images takes no memory; None where it cannot be read."""
    try:
        return _within(decode(source), _SETTINGS[0].side)
    except ImageError:
        return None


def _encoded(image: Image.Image, setting: _Setting) -> str:
    file = BytesIO()
    _within(image, setting.side).save(file, "WEBP", quality=setting.quality)
    return b64encode(file.getvalue()).decode()


def _within(image: Image.Image, side: int) -> Image.Image:
    scale = min(1.0, side / max(image.size))
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BOX)
