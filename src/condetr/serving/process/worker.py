"""A thread that runs jobs one after another, and that can be abandoned while it hangs."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any


class Worker:
    """Unlike the threads of an executor, it does not keep the process from exiting."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def run(self, job: Callable[[], Any]) -> "asyncio.Future[Any]":
        """The future result of the job."""
        future = asyncio.get_running_loop().create_future()
        self._jobs.put((job, future))
        return future

    def abandon(self) -> None:
        """End the thread after its current job."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (next_job := self._jobs.get()) is not None:
            job, future = next_job
            result, error = None, None
            try:
                result = job()
            except BaseException as raised:  # re-raised by the future
                error = raised
            with suppress(RuntimeError):  # the event loop ended meanwhile
                future.get_loop().call_soon_threadsafe(_deliver, future, result, error)


def _deliver(future: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
