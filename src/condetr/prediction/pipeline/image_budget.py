"""A memory limit for decoded images that are kept for drawing."""

import threading
import weakref
from dataclasses import replace

from PIL import Image

from condetr.images.resize import UprightImage
from condetr.prediction.sources import ImageSource

BYTES = 256 << 20


class ImageBudget:
    """An image counts while anything refers to it."""

    def __init__(self, limit: int = BYTES) -> None:
        self._limit, self._used = limit, 0
        self._lock = threading.RLock()  # an image may be freed at any time, also inside the lock

    def keep(self, source: ImageSource, image: UprightImage) -> ImageSource:
        """The source with its decoded image, so that it is not decoded again; unchanged past the limit."""
        if not isinstance(image, Image.Image) or isinstance(source.content, Image.Image):
            return source
        size = image.width * image.height * len(image.getbands())
        with self._lock:
            if self._used + size > self._limit:
                return source
            self._used += size
        weakref.finalize(image, self._free, size)
        return replace(source, content=image)

    def _free(self, size: int) -> None:
        with self._lock:
            self._used -= size
