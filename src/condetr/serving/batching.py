"""Images that wait for the network, and the batches that are made of them.

Nothing is waited for: whatever has come while the network was busy makes the next batch. The oldest image leads, and
those that came out of the preprocessing at its size go with it, so that nobody is padded and nobody starves.
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
from condetr.serving.process.timed_workers import Crew
from condetr.serving.protocol.http_errors import Refused, busy
from condetr.serving.protocol.responses import Rows, rows_of

_MOST_BUGS = 3  # in a row, of whatever kind, before the process is taken for broken
_MASK_BYTES = 2**29  # that the masks of a batch may take; an image that may need more is looked at alone

Result: TypeAlias = Rows | CondetrError
Observe: TypeAlias = Callable[[int, float], None]  # of every batch: its images, and its seconds


@dataclass(slots=True, eq=False)
class _Waiting:
    prepared: PreparedImage
    begin: Callable[[int], None]
    answer: "asyncio.Future[Result]"


class Batching:
    """Feeds one predictor, one batch at a time."""

    def __init__(
        self, predictor: Predictor, *, most: int, seconds: float, observe: Observe, broken: asyncio.Event
    ) -> None:
        """Get ready; `run` does the work.

        Args:
            predictor: what looks at the images.
            most: images in a batch.
            seconds: that a batch may take.
            observe: hears of every batch that came back.
            broken: set where the device is taken for lost, or the process for broken.
        """
        self._predictor, self._most, self._seconds, self._observe = predictor, most, seconds, observe
        self._waiting: list[_Waiting] = []
        self._arrived = asyncio.Event()
        self.crew = Crew("condetr-inference", threads=1, seconds=seconds, broken=broken)
        self._bugs, self._broken = 0, broken

    async def find(self, prepared: PreparedImage, begin: Callable[[int], None] = lambda _: None) -> Result:
        """The answer for one image; whoever does not wait for it to the end takes its image away.

        Args:
            prepared: the image.
            begin: called when its turn has come, with the number of images in its batch.

        Raises:
            Refused: the network did not come back in time, or its device is gone.
        """
        one = _Waiting(prepared, begin, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        self._arrived.set()
        try:
            return await one.answer
        finally:
            if one in self._waiting:
                self._waiting.remove(one)

    async def run(self) -> None:
        """Look at batches until cancelled."""
        while True:
            await self._arrived.wait()
            if self._waiting:
                await self._look_at(self._next())
            else:
                self._arrived.clear()

    def _next(self) -> list[_Waiting]:
        kind = self._waiting[0].prepared.batch_key
        alike = [one for one in self._waiting if one.prepared.batch_key == kind][: self._most]
        needed = accumulate(self._predictor.mask_bytes(one.prepared) for one in alike)
        batch = alike[: max(1, sum(most <= _MASK_BYTES for most in needed))]
        self._waiting = [one for one in self._waiting if one not in batch]
        return batch

    async def _look_at(self, batch: Sequence[_Waiting]) -> None:
        for one in batch:
            one.begin(len(batch))
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            results = await self.crew.do(partial(_results, self._predictor, [one.prepared for one in batch]))
        except TimeoutError:
            reason = f"the network did not answer within {self._seconds:g} s"
            _answer(batch, [Refused(504, "timeout", reason)] * len(batch))
        except Exception as error:
            self._note_bug(error)
            _answer(batch, [busy("the model is being started again") if self._broken.is_set() else error] * len(batch))
        else:
            self._bugs = 0
            self._observe(len(batch), clock() - started)
            _answer(batch, results)

    def _note_bug(self, error: BaseException) -> None:
        self._bugs += 1
        if isinstance(error, torch.AcceleratorError) or self._bugs >= _MOST_BUGS:
            self._broken.set()


def _answer(batch: Sequence[_Waiting], results: Sequence[Result | BaseException]) -> None:
    for one, result in zip(batch, results, strict=True):
        if one.answer.done():
            continue
        if isinstance(result, BaseException) and not isinstance(result, CondetrError):
            one.answer.set_exception(result)
        else:
            one.answer.set_result(result)


def _results(predictor: Predictor, prepared: Sequence[PreparedImage]) -> list[Result]:
    """Answers, written here so that masks, which are large, are gone with the batch.

    What the network cannot look at together it is shown one by one, so that only the culprit is refused.
    """
    try:
        found = predictor.predict_batch(prepared)
    except ModelError as error:
        if len(prepared) == 1:
            return [error]
        return [result for one in prepared for result in _results(predictor, [one])]
    return [one.error if isinstance(one, Failure) else rows_of(one) for one in found]
