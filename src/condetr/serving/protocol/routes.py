"""The routes of the service: ``/predict``, health and metadata by the names of the Open Inference Protocol, metrics."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from condetr.serving.limits import Limits
from condetr.serving.memory_budget import Memory
from condetr.serving.metrics import CONTENT_TYPE, Metrics
from condetr.serving.protocol.allowed_hosts import Hosts
from condetr.serving.protocol.http_errors import BUG, Refused
from condetr.serving.protocol.openapi import document_of
from condetr.serving.protocol.query_params import Question, question_of
from condetr.serving.protocol.request_body import image_of_request
from condetr.serving.protocol.request_checks import Door, has_body
from condetr.serving.protocol.request_log import CLIENT_GONE, Accounts, Log
from condetr.serving.protocol.responses import refusal
from condetr.serving.protocol.service_info import Offer
from condetr.serving.service import Found, Service, State

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


def application(service: Service, offer: Offer, limits: Limits, metrics: Metrics, log: Log, hosts: Hosts) -> ASGIApp:
    """The whole service as one ASGI application."""
    routes = _Routes(service, offer, limits, metrics).all()
    app = Starlette(
        routes=routes, exception_handlers={Refused: _refused, HTTPException: _no_such_route, Exception: _bug}
    )
    app.router.redirect_slashes = False  # it would send callers to whatever name stands in Host
    known = frozenset(route.path for route in routes)
    return Accounts(
        Door(app, hosts),
        known_paths=known,
        metrics=metrics,
        log=log,
        is_ending=lambda: service.state is State.DRAINING,
    )


class _Routes:
    def __init__(self, service: Service, offer: Offer, limits: Limits, metrics: Metrics) -> None:
        self._service, self._offer, self._limits, self._metrics = service, offer, limits, metrics
        self._memory = Memory(limits.all_bytes)
        self._openapi = document_of(offer.version, with_token=offer.token is not None)

    def all(self) -> list[Route]:
        model = f"/v2/models/{self._offer.name}"
        to_all = {"/v2/health/live": self.live, "/v2/health/ready": self.ready}
        to_guests = {
            "/v2": self.server,
            model: self.model,
            f"{model}/ready": self.ready,
            "/openapi.json": self.openapi,
            **({"/metrics": self.metrics} if self._offer.metrics else {}),
        }
        return [
            Route("/predict", self._guarded(self.predict), methods=["POST"]),
            *(Route(path, endpoint) for path, endpoint in to_all.items()),
            *(Route(path, self._guarded(endpoint)) for path, endpoint in to_guests.items()),
        ]

    async def predict(self, request: Request) -> Response:
        question = question_of(
            request.query_params, threshold=self._offer.threshold, gives_masks=self._service.gives_masks
        )
        entry = request.state.entry
        try:
            with self._memory.share() as take:
                image = await image_of_request(request, self._limits, take)
                entry["bytes"] = len(image)
                found = await self._found_while_wanted(image, question, request)
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        entry |= {"together": found.together, "waited_ms": round(found.waited * 1000, 1), "found": len(found.rows)}
        return JSONResponse(found.rows)

    async def live(self, _: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(self, request: Request) -> Response:
        reason = self._service.why_not_ready
        if reason is None:
            return JSONResponse({"ready": True})
        return refusal(request, Refused(503, "not_ready", reason, retry_after=1))

    async def server(self, _: Request) -> Response:
        return JSONResponse({"name": "condetr", "version": self._offer.version, "extensions": []})

    async def model(self, _: Request) -> Response:
        return JSONResponse(self._offer.metadata(masks=self._service.gives_masks))

    async def openapi(self, _: Request) -> Response:
        return JSONResponse(self._openapi)

    async def metrics(self, _: Request) -> Response:
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)

    async def _found_while_wanted(self, image: bytes, question: Question, request: Request) -> Found:
        """What the service finds, unless whoever asked leaves before."""
        work = asyncio.create_task(self._service.find(image, question))
        gone = asyncio.create_task(_until_gone(request))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ClientDisconnect
            return work.result()
        finally:
            gone.cancel()
            work.cancel()

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        if self._offer.token is None:
            return endpoint
        expected = f"Bearer {self._offer.token}".encode()

        async def guarded(request: Request) -> Response:
            given = request.headers.get("authorization", "").encode("latin-1")
            if not hmac.compare_digest(given, expected):
                reason = "send the token of this service as: Authorization: Bearer TOKEN"
                raise Refused(401, "unauthorized", reason, unread=request.method == "POST")
            return await endpoint(request)

        return guarded


async def _until_gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused), "what it is registered for"
    answer = refusal(request, error)
    if error.status == 401:
        answer.headers["www-authenticate"] = "Bearer"
    return answer


async def _bug(request: Request, _: Exception) -> Response:
    """Starlette raises it once more when this is sent, so that `Accounts` can write it down."""
    return refusal(request, BUG)


async def _no_such_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException), "what it is registered for"
    code = {404: "not_found", 405: "method"}.get(error.status_code, "http")
    message = {404: "there is nothing here; see /openapi.json", 405: "this method is not for this path"}
    unread = has_body(request.headers)
    refused = Refused(error.status_code, code, message.get(error.status_code, error.detail), unread=unread)
    answer = refusal(request, refused)
    answer.headers.update(error.headers or {})
    return answer
