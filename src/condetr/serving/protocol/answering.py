"""From a request for predictions to its response, within the memory of all requests and while the client waits."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from condetr.serving.memory_budget import MemoryBudget
from condetr.serving.protocol.http_errors import Refused
from condetr.serving.protocol.prediction_request import PredictionRequest
from condetr.serving.protocol.request_log import CLIENT_GONE
from condetr.serving.service import Answer, Service

ReadRequest: TypeAlias = Callable[[Request, Callable[[int], None]], Awaitable[PredictionRequest]]


class Answering:
    def __init__(self, service: Service, memory: MemoryBudget) -> None:
        self._service, self._memory = service, memory

    async def response(self, request: Request, read: ReadRequest) -> Response:
        """The response to a request.

        Args:
            request: its body is not read yet.
            read: reads it.

        Raises:
            Refused: the request is malformed, an image is invalid, or the service is full.
        """
        try:
            with self._memory.share() as take:
                asked = await read(request, take)
                request.state.entry["bytes"] = sum(map(len, asked.images))
                answers = await self._answers_unless_gone(asked, request)
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        request.state.entry |= _entry(answers)
        return asked.respond([answer.rows for answer in answers])

    async def _answers_unless_gone(self, asked: PredictionRequest, request: Request) -> list[Answer]:
        """The service's answers, unless the client disconnects before."""
        work = asyncio.create_task(self._answers(asked))
        gone = asyncio.create_task(_until_gone(request))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientDisconnect
            return work.result()
        finally:
            gone.cancel()
            work.cancel()

    async def _answers(self, asked: PredictionRequest) -> list[Answer]:
        """One for each image; if an image is refused, the others leave the queue."""
        work = [asyncio.create_task(self._service.predict(image, asked.params)) for image in asked.images]
        try:
            await asyncio.wait(work, return_when=asyncio.FIRST_EXCEPTION)
            failed = next((index for index, task in enumerate(work) if task.done() and task.exception()), None)
            if failed is None:
                return [task.result() for task in work]
            error = work[failed].exception()
            if isinstance(error, Refused) and len(work) > 1 and error.status == 422:
                raise Refused(422, error.code, f"image {failed + 1} of {len(work)}: {error.message}") from error
            assert error is not None, "it was found by its error"
            raise error
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _entry(answers: list[Answer]) -> dict[str, Any]:
    """The part of the log entry about the answers."""
    return {
        **({"images": len(answers)} if len(answers) > 1 else {}),
        "together": max(answer.batch_size for answer in answers),
        "waited_ms": round(max(answer.waited for answer in answers) * 1000, 1),
        "found": sum(len(answer.rows) for answer in answers),
    }
