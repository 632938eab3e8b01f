"""Results are written in a thread of their own, while the network runs on the next images."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

import numpy as np
from PIL import Image
from torch import Tensor

from condetr.images.detections import Detections
from condetr.prediction.predictor import Failure
from condetr.prediction.sources import ImageSource

Result: TypeAlias = Detections | Failure
MOST = 32  # results that wait to be written
MOST_BYTES = 256 << 20  # of their images and masks


def written(
    results: Iterable[tuple[ImageSource, Result]], write: Callable[[ImageSource, Result], Result]
) -> Generator[Result, None, None]:
    """What ``write`` returns for each result, in order; the next results are made meanwhile.

    Results that were made before an error of the network are written; after an error of ``write`` nothing more is.
    """
    waiting: deque[tuple[Future[Result], int]] = deque()
    held, stop = 0, threading.Event()

    def attempt(image: ImageSource, result: Result) -> Result:
        if stop.is_set():
            return result
        try:
            return write(image, result)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="condetr-write") as pool:
        try:
            for image, result in results:
                size = _bytes_of(result)
                waiting.append((pool.submit(attempt, image, result), size))
                held += size
                while waiting and (waiting[0][0].done() or len(waiting) > MOST or held > MOST_BYTES):
                    future, size = waiting.popleft()
                    held -= size
                    yield future.result()
            while waiting:
                yield waiting.popleft()[0].result()
        except Exception:
            raise
        except BaseException:  # stopped at once
            stop.set()
            raise


def _bytes_of(result: Result) -> int:
    """What a result keeps in memory, besides its boxes."""
    if isinstance(result, Failure):
        return 0
    planes = sum(plane.numel() * plane.element_size() for plane in (result.masks, result.segments) if plane is not None)
    image = result.picture
    if isinstance(image, Image.Image):
        return planes + image.width * image.height * len(image.getbands())
    if isinstance(image, Tensor):
        return planes + image.numel() * image.element_size()
    return planes + (image.nbytes if isinstance(image, np.ndarray) else 0)
