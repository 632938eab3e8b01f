"""Endings of image files, where a file must be chosen by its name; when it is decoded, its content decides."""

import os

IMAGE_ENDINGS = frozenset(
    ".jpg .jpeg .jpe .jfif .png .apng .bmp .dib .gif .webp .tif .tiff .ppm .pgm .pbm .pnm".split()  # noqa: SIM905
)


def has_image_ending(path: str | os.PathLike[str]) -> bool:
    return os.path.splitext(path)[1].lower() in IMAGE_ENDINGS  # noqa: PTH122  a Path cannot hold every string
