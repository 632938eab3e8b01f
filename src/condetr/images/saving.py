"""Writing one result in the format of the file extension."""

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

from condetr.core.errors import UsageError
from condetr.files.atomic_write import writing_to

IMAGE_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
_SURROGATES = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def save_as(path: Path, contents: Mapping[str, Callable[[], bytes]]) -> Path:
    """Write the content for the extension of ``path``.

    Raises:
        UsageError: an extension without content.
        StorageError: the file cannot be written.
    """
    extension = path.suffix.lower()
    if extension not in contents:
        raise UsageError(f"has unknown extension {extension!r}, expected {', '.join(contents)}", source=path)
    content = contents[extension]()
    with writing_to(path):
        path.write_bytes(content)
    return path


def text_bytes(text: str) -> bytes:
    """UTF-8; file names that are not UTF-8 keep their bytes, other lone surrogates (from JSON) become U+FFFD."""
    return _SURROGATES.sub("\ufffd", text).encode("utf-8", "surrogateescape")


def image_bytes(image: Image.Image, extension: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, IMAGE_FORMATS[extension], quality=92)
    return stream.getvalue()
