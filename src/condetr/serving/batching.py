"""The queue of preprocessed images, and the batches made of it.

No image waits for a batch to fill: the images that arrive while the network is busy make the next batch. The oldest
image leads, and images with the same input size join it, so that none is padded and none starves.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import TypeAlias

import torch

from condetr.core.errors import CondetrError, ModelError
from condetr.prediction.predictor import Failure, Predictor, PreparedImage
from condetr.serving.process.timed_workers import TimedWorkers
from condetr.serving.protocol.http_errors import Refused, busy
from condetr.serving.protocol.responses import MakeRows, Rows, rows_of

_MAX_BUGS = 3  # unexpected exceptions in a row, after which the process counts as broken
_MASK_BYTES = 2**29  # limit for the masks of a batch; an image that may need more is a batch of its own

Result: TypeAlias = Rows | CondetrError
OnBatch: TypeAlias = Callable[[int, float], None]  # its number of images, and its seconds


@dataclass(slots=True, eq=False)
class _Waiting:
    prepared: PreparedImage
    begin: Callable[[int], None]
    result: "asyncio.Future[Result]"


class Batching:
    """Runs one predictor, one batch at a time."""

    def __init__(
        self,
        predictor: Predictor,
        *,
        max_batch: int,
        seconds: float,
        on_batch: OnBatch,
        broken: asyncio.Event,
        rows: MakeRows = rows_of,
    ) -> None:
        """Set up the queue; `run` processes it.

        Args:
            predictor: finds the objects of images.
            max_batch: maximum images per batch.
            seconds: time limit of a batch.
            on_batch: called after every batch that finished.
            broken: set when the device is lost or the process is broken.
            rows: makes a response of the detections of an image.
        """
        self._rows = rows
        self._predictor, self._max_batch, self._seconds, self._on_batch = predictor, max_batch, seconds, on_batch
        self._waiting: list[_Waiting] = []
        self._arrived = asyncio.Event()
        self.workers = TimedWorkers("condetr-inference", threads=1, seconds=seconds, broken=broken)
        self._bugs, self._broken = 0, broken

    async def predict(self, prepared: PreparedImage, begin: Callable[[int], None] = lambda _: None) -> Result:
        """The result for one image; if the caller is cancelled, its image leaves the queue.

        Args:
            prepared: the image.
            begin: called when its batch starts, with the number of images in it.

        Raises:
            Refused: the network exceeded its time limit, or its device is lost.
        """
        waiting = _Waiting(prepared, begin, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._arrived.set()
        try:
            return await waiting.result
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    async def run(self) -> None:
        """Process batches until cancelled."""
        while True:
            await self._arrived.wait()
            if self._waiting:
                await self._run_batch(self._next_batch())
            else:
                self._arrived.clear()

    def _next_batch(self) -> list[_Waiting]:
        key = self._waiting[0].prepared.batch_key
        alike = [each for each in self._waiting if each.prepared.batch_key == key][: self._max_batch]
        mask_bytes = accumulate(self._predictor.mask_bytes(each.prepared) for each in alike)
        batch = alike[: max(1, sum(total <= _MASK_BYTES for total in mask_bytes))]
        self._waiting = [each for each in self._waiting if each not in batch]
        return batch

    async def _run_batch(self, batch: Sequence[_Waiting]) -> None:
        for each in batch:
            each.begin(len(batch))
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            results = await self.workers.run(
                partial(_results, self._predictor, [each.prepared for each in batch], self._rows)
            )
        except TimeoutError:
            reason = f"the network did not finish within {self._seconds:g} s"
            _deliver(batch, [Refused(504, "timeout", reason)] * len(batch))
        except Exception as error:
            self._count_bug(error)
            _deliver(batch, [busy("the model is restarting") if self._broken.is_set() else error] * len(batch))
        else:
            self._bugs = 0
            self._on_batch(len(batch), clock() - started)
            _deliver(batch, results)

    def _count_bug(self, error: BaseException) -> None:
        self._bugs += 1
        if isinstance(error, torch.AcceleratorError) or self._bugs >= _MAX_BUGS:
            self._broken.set()


def _deliver(batch: Sequence[_Waiting], results: Sequence[Result | BaseException]) -> None:
    for waiting, result in zip(batch, results, strict=True):
        if waiting.result.done():
            continue
        if isinstance(result, BaseException) and not isinstance(result, CondetrError):
            waiting.result.set_exception(result)
        else:
            waiting.result.set_result(result)


def _results(predictor: Predictor, prepared: Sequence[PreparedImage], rows: MakeRows) -> list[Result]:
    """Response rows, made in this thread so that masks, which are large, are freed with the batch.

    A batch on which the network fails is run again image by image, so that only the faulty image is refused.
    """
    try:
        results = predictor.predict_batch(prepared)
    except ModelError as error:
        if len(prepared) == 1:
            return [error]
        return [result for image in prepared for result in _results(predictor, [image], rows)]
    return [result.error if isinstance(result, Failure) else rows(result) for result in results]
