"""From the bytes of an image to its detections, for as many callers as there is room for."""

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
from condetr.serving.decoding import THREADS, Preparing
from condetr.serving.limits import Limits
from condetr.serving.metrics import Metrics
from condetr.serving.protocol.http_errors import Refused, busy, refusal_of
from condetr.serving.protocol.query_params import Question
from condetr.serving.protocol.responses import Rows

_SENT_AWAY = "sent away"  # said when a task is cancelled


class State(StrEnum):
    STARTING, READY, DRAINING, BROKEN = "starting", "ready", "draining", "broken"


@dataclass(frozen=True, slots=True)
class Found:
    """The answer for one image, how many shared its batch, and how long it waited for its turn."""

    rows: Rows
    together: int
    waited: float


class Service:
    """A predictor with a bounded queue before it.

    The predictor leaves nothing out by score: every request has a threshold of its own.
    """

    def __init__(
        self,
        predictor: Predictor,
        limits: Limits,
        metrics: Metrics,
        *,
        batch: int,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self._predictor, self._limits, self._metrics = predictor, limits, metrics
        self._broken = asyncio.Event()
        self._batching = Batching(
            predictor,
            most=batch,
            seconds=limits.inference_seconds,
            observe=self._observe_batch,
            broken=self._broken,
        )
        self._preparing = Preparing(predictor, seconds=limits.preparing_seconds, broken=self._broken)
        self._ahead = asyncio.Semaphore(2 * batch + THREADS)  # images in memory decoded
        self._tasks: set[asyncio.Task[object]] = set()
        self._seconds_a_image = 0.0
        self._state = State.STARTING
        self._on_ready = on_ready
        metrics.watch(lambda: len(self._tasks))

    @property
    def state(self) -> State:
        return State.BROKEN if self._broken.is_set() else self._state

    @property
    def why_not_ready(self) -> str | None:
        """None where it is. While a thread is late, others go on with the images that come."""
        if self.state is not State.READY:
            return f"the service is {self.state}"
        if late := self._preparing.crew.late:
            return f"decoding takes longer than {self._limits.preparing_seconds:g} s in {late} threads"
        if late := self._batching.crew.late:
            return f"the network has not come back within {self._limits.inference_seconds:g} s in {late} threads"
        return None

    @property
    def gives_masks(self) -> bool:
        return self._predictor.gives_masks

    @property
    def is_stuck(self) -> bool:
        """Whether a thread decodes or is in the network now."""
        return self._batching.crew.at_work or self._preparing.crew.at_work

    async def work(self) -> None:
        """Look at images until cancelled; ready once a first one, made up, has come out in finite numbers.

        Raises:
            CondetrError: it did not.
        """
        self._batches = asyncio.create_task(self._batching.run())  # goes on where it broke: what is in hand hears of it
        try:
            await self._look_at_a_first_image()
            self._state = State.READY
            self._on_ready()
            await self._broken.wait()
        except BaseException:
            self._batches.cancel()
            raise

    async def _look_at_a_first_image(self) -> None:
        everything = Question(threshold=0, masks=self.gives_masks)
        try:
            found = await self._found(_made_up_image(), everything, None, lambda _: None)
        except Refused as refused:
            raise ModelError(f"a first image did not come out: {refused.message}") from refused
        if isinstance(found, CondetrError):
            raise found

    async def find(self, image: bytes, question: Question) -> Found:
        """What was asked about one image.

        Raises:
            Refused: there is no room or no time for it, or it is no image that can be used.
        """
        clock = asyncio.get_running_loop().time
        arrived, turn = clock(), [0.0, 0]
        async with self._place():
            try:
                async with asyncio.timeout(self._limits.queue_seconds) as patience:

                    def begin(together: int) -> None:
                        turn[:] = clock() - arrived, together
                        if not patience.expired():
                            patience.reschedule(None)

                    most = self._limits.mask_pixels if question.masks else self._limits.pixels
                    found = await self._found(image, question, most, begin)
            except TimeoutError:
                reason = f"its turn did not come within {self._limits.queue_seconds:g} s"
                raise busy(reason, self._retry_after) from None
        if isinstance(found, CondetrError):
            raise refusal_of(found) from found
        return Found(found, int(turn[1]), turn[0])

    async def drain(self, seconds: float) -> None:
        """Take nothing new, and finish what was accepted, for so many seconds at most."""
        self._state = State.DRAINING
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)

    async def send_away(self) -> int:
        """Refuse what is still waiting; gives how many that were."""
        left = set(self._tasks)
        for task in left:
            task.cancel(_SENT_AWAY)
        if left:
            await asyncio.wait(left)
        return len(left)

    async def _found(
        self, image: bytes, question: Question, pixels: int | None, begin: Callable[[int], None]
    ) -> Result:
        async with self._ahead:
            prepared = await self._preparing.prepared(image, question, pixels)
            if isinstance(prepared, CondetrError):
                return prepared
            return await self._batching.find(prepared, begin)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """A place in the queue, for the length of a request."""
        state = self.state
        if state is not State.READY:
            raise busy(f"the service is {state}", self._retry_after)
        if len(self._tasks) >= self._limits.queue:
            raise busy(f"{len(self._tasks)} images are waiting already", self._retry_after)
        task = asyncio.current_task()
        assert task is not None, "what is awaited runs in a task"
        self._tasks.add(task)
        try:
            yield
        except asyncio.CancelledError as cancelled:
            if cancelled.args != (_SENT_AWAY,):
                raise
            task.uncancel()
            raise busy("the service is ending, and did not come to it in time") from None
        finally:
            self._tasks.discard(task)

    @property
    def _retry_after(self) -> int:
        """Seconds until the images in hand are done, as things go."""
        return max(1, math.ceil(len(self._tasks) * self._seconds_a_image))

    def _observe_batch(self, together: int, seconds: float) -> None:
        latest = seconds / together
        self._seconds_a_image = 0.9 * self._seconds_a_image + 0.1 * latest if self._seconds_a_image else latest
        self._metrics.batch(together, seconds)


def _made_up_image() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()
