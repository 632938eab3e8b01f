"""The routes of the service: predictions, health and metadata under the names that platforms use, and metrics."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from condetr.serving.limits import Limits
from condetr.serving.memory_budget import MemoryBudget
from condetr.serving.metrics import CONTENT_TYPE, Metrics
from condetr.serving.protocol.allowed_hosts import Hosts
from condetr.serving.protocol.answering import Answering
from condetr.serving.protocol.docs_page import DOCS_POLICY, docs_page
from condetr.serving.protocol.http_errors import BUG, Refused
from condetr.serving.protocol.openapi import document_of
from condetr.serving.protocol.predict_params import Defaults
from condetr.serving.protocol.prediction_request import PredictionReader
from condetr.serving.protocol.request_checks import RequestChecks, has_body
from condetr.serving.protocol.request_log import RequestLog, WriteLog
from condetr.serving.protocol.responses import error_response
from condetr.serving.protocol.service_info import ServiceInfo
from condetr.serving.protocol.token_check import with_token
from condetr.serving.service import Service, State

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
        self._service, self._info, self._metrics = service, info, metrics
        self._answering = Answering(service, MemoryBudget(limits.all_bytes))
        self._reader = PredictionReader(Defaults(info.threshold, service.gives_masks), limits, info.name)
        self._openapi = document_of(info, masks=service.gives_masks, max_images=limits.images)
        self._docs = docs_page(self._openapi)

    def all(self) -> list[Route]:
        model = f"/v2/models/{self._info.name}"
        predicts = ("/", "/predict", "/invocations", *self._info.predict_routes)
        posts = {
            **dict.fromkeys(predicts, self.predict),
            f"{model}/infer": self.infer,
            f"{model}/versions/1/infer": self.infer,
        }
        ready = ("/v2/health/ready", "/health", "/ping", *self._info.health_routes)
        public = {"/v2/health/live": self.live, **dict.fromkeys(ready, self.ready)}
        guarded = {
            "/v2": self.server,
            model: self.model,
            f"{model}/ready": self.ready,
            f"{model}/versions/1": self.model,
            f"{model}/versions/1/ready": self.ready,
            "/openapi.json": self.openapi,
            "/docs": self.docs,
            **({"/metrics": self.metrics} if self._info.metrics else {}),
        }
        token = self._info.token
        return [
            *(Route(path, with_token(endpoint, token), methods=["POST"]) for path, endpoint in posts.items()),
            *(Route(path, endpoint) for path, endpoint in public.items()),
            *(Route(path, with_token(endpoint, token)) for path, endpoint in guarded.items()),
        ]

    async def predict(self, request: Request) -> Response:
        return await self._answering.response(request, self._reader.predict)

    async def infer(self, request: Request) -> Response:
        return await self._answering.response(request, self._reader.infer)

    async def live(self, _: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(self, request: Request) -> Response:
        reason = self._service.why_not_ready
        if reason is None:
            return JSONResponse({"ready": True})
        return error_response(request, Refused(503, "not_ready", reason, retry_after=1))

    async def server(self, _: Request) -> Response:
        return JSONResponse({"name": "condetr", "version": self._info.version, "extensions": ["binary_tensor_data"]})

    async def model(self, _: Request) -> Response:
        return JSONResponse(self._info.metadata(masks=self._service.gives_masks))

    async def openapi(self, _: Request) -> Response:
        return JSONResponse(self._openapi)

    async def docs(self, _: Request) -> Response:
        return HTMLResponse(self._docs, headers={"content-security-policy": DOCS_POLICY})

    async def metrics(self, _: Request) -> Response:
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)


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
    message = {404: "there is no such path; see /docs", 405: "this path does not allow this method"}
    unread = has_body(request.headers)
    refused = Refused(error.status_code, code, message.get(error.status_code, error.detail), unread=unread)
    response = error_response(request, refused)
    response.headers.update(error.headers or {})
    return response
