"""Worker threads with a time limit per job; a late thread is abandoned and replaced."""

import asyncio
from collections.abc import Callable
from typing import Any

from condetr.serving.process.worker import Worker

_MAX_LATE = 2  # threads at once; with more of them the library or device they hang in counts as broken


class TimedWorkers:
    """A few threads for one kind of job.

    Attributes:
        late: number of threads that exceeded their time limit and still run.
    """

    def __init__(self, name: str, *, threads: int, seconds: float, broken: asyncio.Event) -> None:
        """Start the threads.

        Args:
            name: of the threads.
            threads: how many jobs run at once.
            seconds: time limit of a job.
            broken: set when too many threads are late.
        """
        self._name, self._seconds, self._broken = name, seconds, broken
        self._idle: asyncio.LifoQueue[Worker] = asyncio.LifoQueue()
        self._running: set[asyncio.Task[Any]] = set()
        for _ in range(threads):
            self._idle.put_nowait(Worker(name))
        self.late = 0

    @property
    def are_busy(self) -> bool:
        """Whether a thread runs a job now, in time or late."""
        return self.late > 0 or bool(self._running)

    async def run(self, job: Callable[[], Any]) -> Any:
        """The result of the job; if the caller is cancelled, the job still has its time limit.

        Raises:
            TimeoutError: it exceeded its time limit.
        """
        worker = await self._idle.get()
        running = asyncio.create_task(self._within_limit(worker, worker.run(job)))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        running.add_done_callback(_retrieve_exception)
        return await asyncio.shield(running)

    async def _within_limit(self, worker: Worker, result: "asyncio.Future[Any]") -> Any:
        done, _ = await asyncio.wait({result}, timeout=self._seconds)
        if done:
            self._idle.put_nowait(worker)
            return result.result()
        worker.abandon()
        self._idle.put_nowait(Worker(self._name))
        self.late += 1
        result.add_done_callback(self._finished_late)
        if self.late > _MAX_LATE:
            self._broken.set()
        raise TimeoutError

    def _finished_late(self, result: "asyncio.Future[Any]") -> None:
        _retrieve_exception(result)
        self.late -= 1


def _retrieve_exception(result: "asyncio.Future[Any]") -> None:
    """The caller may have been cancelled; asyncio would log an exception that was never retrieved."""
    if not result.cancelled():
        result.exception()
