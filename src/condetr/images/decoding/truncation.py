"""Truncated images are refused, even where another library set Pillow to fill the rest with gray."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import ImageFile

_counting = threading.Lock()
_strict = 0  # decodings running while the setting is off


@contextmanager
def strict_truncation() -> Iterator[None]:
    """Turn Pillow's LOAD_TRUNCATED_IMAGES off while images are decoded; decodings do not wait for each other."""
    global _strict
    with _counting:
        switched = bool(_strict) or ImageFile.LOAD_TRUNCATED_IMAGES
        if switched:
            _strict += 1
            ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        if switched:
            with _counting:
                _strict -= 1
                if not _strict:
                    ImageFile.LOAD_TRUNCATED_IMAGES = True
