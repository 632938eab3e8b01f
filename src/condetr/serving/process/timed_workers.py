"""Threads that have so many seconds for each job; one that is late is left behind, and another takes its place."""

import asyncio
from collections.abc import Callable
from typing import Any

from condetr.serving.process.worker import Worker

_MOST_LATE = 2  # at once; with more of them what they are stuck in is taken for lost


class Crew:
    """A few workers for one kind of work.

    Attributes:
        late: how many threads have not come back within their time, and still are not.
    """

    def __init__(self, name: str, *, threads: int, seconds: float, broken: asyncio.Event) -> None:
        """Start them.

        Args:
            name: of the threads.
            threads: how many jobs are in hand at once.
            seconds: that a job may take.
            broken: set once too many threads are late.
        """
        self._name, self._seconds, self._broken = name, seconds, broken
        self._idle: asyncio.LifoQueue[Worker] = asyncio.LifoQueue()
        self._watches: set[asyncio.Task[Any]] = set()
        for _ in range(threads):
            self._idle.put_nowait(Worker(name))
        self.late = 0

    @property
    def at_work(self) -> bool:
        """Whether a thread is at something now, in time or late."""
        return self.late > 0 or bool(self._watches)

    async def do(self, job: Callable[[], Any]) -> Any:
        """What the job gives or raises; whoever does not wait for it to the end leaves the thread watched all the same.

        Raises:
            TimeoutError: it did not come back in its time.
        """
        worker = await self._idle.get()
        watch = asyncio.create_task(self._watched(worker, worker.do(job)))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        watch.add_done_callback(_heard)
        return await asyncio.shield(watch)

    async def _watched(self, worker: Worker, answer: "asyncio.Future[Any]") -> Any:
        done, _ = await asyncio.wait({answer}, timeout=self._seconds)
        if done:
            self._idle.put_nowait(worker)
            return answer.result()
        worker.leave()
        self._idle.put_nowait(Worker(self._name))
        self.late += 1
        answer.add_done_callback(self._came_back)
        if self.late > _MOST_LATE:
            self._broken.set()
        raise TimeoutError

    def _came_back(self, answer: "asyncio.Future[Any]") -> None:
        _heard(answer)
        self.late -= 1


def _heard(answer: "asyncio.Future[Any]") -> None:
    """Whoever waited for it may be gone; asyncio would complain that nobody heard of an error."""
    if not answer.cancelled():
        answer.exception()
