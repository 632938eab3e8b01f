"""A thread that does one thing after the other, and that can be left behind where it does not come back."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any


class Worker:
    """Unlike the threads of an executor, it does not keep the process from ending."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def do(self, job: Callable[[], Any]) -> "asyncio.Future[Any]":
        """Its result, when its turn has come and it is done."""
        answer = asyncio.get_running_loop().create_future()
        self._jobs.put((job, answer))
        return answer

    def leave(self) -> None:
        """End, after the job in hand."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (one := self._jobs.get()) is not None:
            job, answer = one
            result, error = None, None
            try:
                result = job()
            except BaseException as raised:  # whoever waits for the answer hears of it
                error = raised
            with suppress(RuntimeError):  # the loop ended meanwhile: nobody waits
                answer.get_loop().call_soon_threadsafe(_deliver, answer, result, error)


def _deliver(answer: "asyncio.Future[Any]", result: Any, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
