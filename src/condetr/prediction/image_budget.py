"""How many decoded images may be kept for whoever paints on the results."""

import threading
import weakref
from dataclasses import replace

from PIL import Image

from condetr.images.resize import UprightImage
from condetr.prediction.sources import ImageSource

BYTES = 256 << 20


class ImageBudget:
    """Images count for as long as anything refers to them."""

    def __init__(self, limit: int = BYTES) -> None:
        self._limit, self._kept = limit, 0
        self._lock = threading.RLock()  # an image may be freed at any moment, also inside the lock

    def keep(self, source: ImageSource, image: UprightImage) -> ImageSource:
        """The source with its image decoded, so that it is not decoded again; the source as it is without room."""
        if not isinstance(image, Image.Image) or isinstance(source.content, Image.Image):
            return source
        size = image.width * image.height * len(image.getbands())
        with self._lock:
            if self._kept + size > self._limit:
                return source
            self._kept += size
        weakref.finalize(image, self._free, size)
        return replace(source, content=image)

    def _free(self, size: int) -> None:
        with self._lock:
            self._kept -= size
