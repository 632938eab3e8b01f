"""The routes of the service: ``/predict``, health and metadata as in the Open Inference Protocol, metrics."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from condetr.serving.limits import Limits
from condetr.serving.memory_budget import MemoryBudget
from condetr.serving.metrics import CONTENT_TYPE, Metrics
from condetr.serving.protocol.allowed_hosts import Hosts
from condetr.serving.protocol.http_errors import BUG, Refused
from condetr.serving.protocol.openapi import document_of
from condetr.serving.protocol.query_params import PredictParams, read_params
from condetr.serving.protocol.request_body import read_image
from condetr.serving.protocol.request_checks import RequestChecks, has_body
from condetr.serving.protocol.request_log import CLIENT_GONE, RequestLog, WriteLog
from condetr.serving.protocol.responses import error_response
from condetr.serving.protocol.service_info import ServiceInfo
from condetr.serving.protocol.token_check import with_token
from condetr.serving.service import Answer, Service, State

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


def application(
    service: Service, info: ServiceInfo, limits: Limits, metrics: Metrics, log: WriteLog, hosts: Hosts
) -> ASGIApp:
    """The whole service as one ASGI application."""
    return application_of(_Routes(service, info, limits, metrics).all(), service, metrics, log, hosts)


def application_of(routes: list[Route], service: Service, metrics: Metrics, log: WriteLog, hosts: Hosts) -> ASGIApp:
    """Routes with the checks, the log and the error responses of every request."""
    app = Starlette(
        routes=routes, exception_handlers={Refused: _refused, HTTPException: _no_such_route, Exception: _bug}
    )
    app.router.redirect_slashes = False  # they would lead clients to any name in Host
    paths = frozenset(route.path for route in routes)
    return RequestLog(
        RequestChecks(app, hosts),
        known_paths=paths,
        metrics=metrics,
        log=log,
        is_ending=lambda: service.state is State.DRAINING,
    )


class _Routes:
    def __init__(self, service: Service, info: ServiceInfo, limits: Limits, metrics: Metrics) -> None:
        self._service, self._info, self._limits, self._metrics = service, info, limits, metrics
        self._memory = MemoryBudget(limits.all_bytes)
        self._openapi = document_of(info.version, with_token=info.token is not None)

    def all(self) -> list[Route]:
        model = f"/v2/models/{self._info.name}"
        public = {"/v2/health/live": self.live, "/v2/health/ready": self.ready}
        guarded = {
            "/v2": self.server,
            model: self.model,
            f"{model}/ready": self.ready,
            "/openapi.json": self.openapi,
            **({"/metrics": self.metrics} if self._info.metrics else {}),
        }
        return [
            Route("/predict", with_token(self.predict, self._info.token), methods=["POST"]),
            *(Route(path, endpoint) for path, endpoint in public.items()),
            *(Route(path, with_token(endpoint, self._info.token)) for path, endpoint in guarded.items()),
        ]

    async def predict(self, request: Request) -> Response:
        params = read_params(
            request.query_params, threshold=self._info.threshold, gives_masks=self._service.gives_masks
        )
        entry = request.state.entry
        try:
            with self._memory.share() as take:
                image = await read_image(request, self._limits, take)
                entry["bytes"] = len(image)
                answer = await self._answer_unless_gone(image, params, request)
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        entry |= {
            "together": answer.batch_size,
            "waited_ms": round(answer.waited * 1000, 1),
            "found": len(answer.rows),
        }
        return JSONResponse(answer.rows)

    async def live(self, _: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(self, request: Request) -> Response:
        reason = self._service.why_not_ready
        if reason is None:
            return JSONResponse({"ready": True})
        return error_response(request, Refused(503, "not_ready", reason, retry_after=1))

    async def server(self, _: Request) -> Response:
        return JSONResponse({"name": "condetr", "version": self._info.version, "extensions": []})

    async def model(self, _: Request) -> Response:
        return JSONResponse(self._info.metadata(masks=self._service.gives_masks))

    async def openapi(self, _: Request) -> Response:
        return JSONResponse(self._openapi)

    async def metrics(self, _: Request) -> Response:
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)

    async def _answer_unless_gone(self, image: bytes, params: PredictParams, request: Request) -> Answer:
        """The service's answer, unless the client disconnects before."""
        work = asyncio.create_task(self._service.predict(image, params))
        gone = asyncio.create_task(_until_gone(request))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientDisconnect
            return work.result()
        finally:
            gone.cancel()
            work.cancel()


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused), "registered for these"
    response = error_response(request, error)
    if error.status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response


async def _bug(request: Request, _: Exception) -> Response:
    """Starlette raises it again after the response, so that `RequestLog` can log it."""
    return error_response(request, BUG)


async def _no_such_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "registered for these"
    code = {404: "not_found", 405: "method"}.get(error.status_code, "http")
    message = {404: "there is no such path; see /openapi.json", 405: "this path does not allow this method"}
    unread = has_body(request.headers)
    refused = Refused(error.status_code, code, message.get(error.status_code, error.detail), unread=unread)
    response = error_response(request, refused)
    response.headers.update(error.headers or {})
    return response
