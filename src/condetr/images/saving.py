"""Writing one result to a file whose ending says the format."""

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

from condetr.core.errors import UsageError
from condetr.files.atomic_write import writing_to

IMAGE_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
_HALVES = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def save_as(path: Path, contents: Mapping[str, Callable[[], bytes]]) -> Path:
    """Write the content that belongs to the ending of ``path``.

    Raises:
        UsageError: an ending without content.
        StorageError: it cannot be written.
    """
    ending = path.suffix.lower()
    if ending not in contents:
        raise UsageError(f"unknown ending {ending!r}; known: {', '.join(contents)}", source=path)
    content = contents[ending]()
    with writing_to(path):
        path.write_bytes(content)
    return path


def text_bytes(text: str) -> bytes:
    """UTF-8; file names that are no text keep their bytes, halves of characters that JSON can hold become U+FFFD."""
    return _HALVES.sub("\ufffd", text).encode("utf-8", "surrogateescape")


def image_bytes(image: Image.Image, ending: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, IMAGE_FORMATS[ending], quality=92)
    return stream.getvalue()
