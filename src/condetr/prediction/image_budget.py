"""How many decoded pictures may be kept for whoever paints on the results."""

import threading
import weakref
from dataclasses import replace

from PIL import Image

from condetr.images.resize import Picture
from condetr.prediction.sources import PictureSource

BYTES = 256 << 20


class PictureBudget:
    """Pictures count for as long as anything refers to them."""

    def __init__(self, limit: int = BYTES) -> None:
        self._limit, self._kept = limit, 0
        self._lock = threading.RLock()  # a picture may be freed at any moment, also inside the lock

    def keep(self, source: PictureSource, picture: Picture) -> PictureSource:
        """The source with its picture decoded, so that it is not decoded again; the source as it is without room."""
        if not isinstance(picture, Image.Image) or isinstance(source.content, Image.Image):
            return source
        size = picture.width * picture.height * len(picture.getbands())
        with self._lock:
            if self._kept + size > self._limit:
                return source
            self._kept += size
        weakref.finalize(picture, self._free, size)
        return replace(source, content=picture)

    def _free(self, size: int) -> None:
        with self._lock:
            self._kept -= size
