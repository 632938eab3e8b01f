"""From an encoded image to its detections, for a bounded number of callers."""

import asyncio
import io
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from PIL import Image

from condetr.core.errors import CondetrError, ModelError
from condetr.prediction.predictor import Predictor
from condetr.serving.batching import Batching, Result
from condetr.serving.decoding import THREADS, Decoding
from condetr.serving.limits import Limits
from condetr.serving.metrics import Metrics
from condetr.serving.protocol.http_errors import Refused, busy, http_error_of
from condetr.serving.protocol.predict_params import PredictParams
from condetr.serving.protocol.responses import MakeRows, Rows, rows_of

_REJECTED = "rejected"  # message of the cancellation


class State(StrEnum):
    STARTING, READY, DRAINING, BROKEN = "starting", "ready", "draining", "broken"


@dataclass(frozen=True, slots=True)
class Answer:
    """The objects of one image, the size of its batch, and the seconds that it waited in the queue."""

    rows: Rows
    batch_size: int
    waited: float


class Service:
    """A predictor with a bounded queue.

    The predictor has threshold 0: every request has a threshold of its own.
    """

    def __init__(
        self,
        predictor: Predictor,
        limits: Limits,
        metrics: Metrics,
        *,
        batch: int,
        on_ready: Callable[[], None] = lambda: None,
        rows: MakeRows = rows_of,
    ) -> None:
        self._predictor, self._limits, self._metrics = predictor, limits, metrics
        self._broken = asyncio.Event()
        self._batching = Batching(
            predictor,
            max_batch=batch,
            seconds=limits.inference_seconds,
            on_batch=self._record_batch,
            broken=self._broken,
            rows=rows,
        )
        self._decoding = Decoding(predictor, seconds=limits.preparing_seconds, broken=self._broken)
        self._decoded = asyncio.Semaphore(2 * batch + THREADS)  # bounds the decoded images in memory
        self._tasks: set[asyncio.Task[object]] = set()
        self._seconds_per_image = 0.0
        self._state = State.STARTING
        self._on_ready = on_ready
        metrics.watch(lambda: len(self._tasks))

    @property
    def state(self) -> State:
        return State.BROKEN if self._broken.is_set() else self._state

    @property
    def why_not_ready(self) -> str | None:
        """None if ready. While a thread is late, others still process images."""
        if self.state is not State.READY:
            return f"the service is {self.state}"
        if late := self._decoding.workers.late:
            return f"{late} threads have been decoding for more than {self._limits.preparing_seconds:g} s"
        if late := self._batching.workers.late:
            return f"{late} threads have been in the network for more than {self._limits.inference_seconds:g} s"
        return None

    @property
    def gives_masks(self) -> bool:
        return self._predictor.gives_masks

    @property
    def is_stuck(self) -> bool:
        """Whether a thread is still decoding or in the network."""
        return self._batching.workers.are_busy or self._decoding.workers.are_busy

    async def work(self) -> None:
        """Process images until cancelled; ready after a first, synthetic image gave finite numbers.

        Raises:
            CondetrError: it did not.
        """
        self._batches = asyncio.create_task(self._batching.run())  # keeps running when broken, to reject what waits
        try:
            await self._run_first_image()
            self._state = State.READY
            self._on_ready()
            await self._broken.wait()
        except BaseException:
            self._batches.cancel()
            raise

    async def _run_first_image(self) -> None:
        params = PredictParams(threshold=0, masks=self.gives_masks)
        try:
            result = await self._process(_synthetic_image(), params, None, lambda _: None)
        except Refused as refused:
            raise ModelError(f"fails on a first image: {refused.message}") from refused
        if isinstance(result, CondetrError):
            raise result

    async def predict(self, image: bytes, params: PredictParams) -> Answer:
        """The objects of one image.

        Raises:
            Refused: the service is full, a time limit was exceeded, or the image is invalid.
        """
        clock = asyncio.get_running_loop().time
        arrived, waited, batch_size = clock(), 0.0, 0
        async with self._queue_slot():
            try:
                async with asyncio.timeout(self._limits.queue_seconds) as timeout:

                    def begin(size: int) -> None:
                        nonlocal waited, batch_size
                        waited, batch_size = clock() - arrived, size
                        if not timeout.expired():
                            timeout.reschedule(None)

                    max_pixels = self._limits.mask_pixels if params.masks else self._limits.pixels
                    result = await self._process(image, params, max_pixels, begin)
            except TimeoutError:
                reason = f"the image waited in the queue for more than {self._limits.queue_seconds:g} s"
                raise busy(reason, self._retry_after) from None
        if isinstance(result, CondetrError):
            raise http_error_of(result) from result
        return Answer(result, batch_size, waited)

    async def drain(self, seconds: float) -> None:
        """Accept nothing new, and finish what was accepted, for at most so many seconds."""
        self._state = State.DRAINING
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)

    async def reject_waiting(self) -> int:
        """Refuse the images still waiting; gives their number."""
        waiting = set(self._tasks)
        for task in waiting:
            task.cancel(_REJECTED)
        if waiting:
            await asyncio.wait(waiting)
        return len(waiting)

    async def _process(
        self, image: bytes, params: PredictParams, max_pixels: int | None, begin: Callable[[int], None]
    ) -> Result:
        async with self._decoded:
            prepared = await self._decoding.prepared(image, params, max_pixels)
            if isinstance(prepared, CondetrError):
                return prepared
            return await self._batching.predict(prepared, begin)

    @asynccontextmanager
    async def _queue_slot(self) -> AsyncIterator[None]:
        """A slot in the queue for one request."""
        state = self.state
        if state is not State.READY:
            raise busy(f"the service is {state}", self._retry_after)
        if len(self._tasks) >= self._limits.queue:
            raise busy(f"the queue is full with {len(self._tasks)} images", self._retry_after)
        task = asyncio.current_task()
        assert task is not None, "coroutines run in a task"
        self._tasks.add(task)
        try:
            yield
        except asyncio.CancelledError as cancelled:
            if cancelled.args != (_REJECTED,):
                raise
            task.uncancel()
            raise busy("the service shut down before the image was processed") from None
        finally:
            self._tasks.discard(task)

    @property
    def _retry_after(self) -> int:
        """Estimated seconds until all accepted images are done."""
        return max(1, math.ceil(len(self._tasks) * self._seconds_per_image))

    def _record_batch(self, images: int, seconds: float) -> None:
        latest = seconds / images
        self._seconds_per_image = 0.9 * self._seconds_per_image + 0.1 * latest if self._seconds_per_image else latest
        self._metrics.batch(images, seconds)


def _synthetic_image() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()
