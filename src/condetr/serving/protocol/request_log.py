"""The id, log entry and metrics of every request."""

import re
import time
import traceback
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from condetr.serving.metrics import Metrics

WriteLog: TypeAlias = Callable[[Mapping[str, Any]], None]

CLIENT_GONE = 499  # nginx's status for it; never sent
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADERS = {
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'",
    "cache-control": "no-store",
}


class RequestLog:
    """The outermost layer of the application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        known_paths: frozenset[str],
        metrics: Metrics,
        log: WriteLog,
        is_ending: Callable[[], bool],
    ) -> None:
        self._app, self._paths, self._metrics, self._log, self._is_ending = app, known_paths, metrics, log, is_ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        entry: dict[str, Any] = {}
        scope["state"] = {"request_id": request_id, "entry": entry}
        status = CLIENT_GONE

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(message, request_id)
            await send(message)

        try:
            await self._app(scope, receive, sent)
        except Exception as error:  # the client already has a response; the log gets the traceback
            entry["error"] = "".join(traceback.format_exception(error))
        finally:
            self._record(scope, status, time.perf_counter() - started, request_id, entry)

    def _add_headers(self, message: Message, request_id: str) -> None:
        headers = MutableHeaders(scope=message)
        for name, value in (_HEADERS | {"x-request-id": request_id}).items():
            headers.setdefault(name, value)
        if self._is_ending():
            headers["connection"] = "close"

    def _record(self, scope: Scope, status: int, seconds: float, request_id: str, entry: Mapping[str, Any]) -> None:
        path = scope["path"] if scope["path"] in self._paths else "other"
        self._metrics.request(path, status, seconds)
        self._log(
            {
                "time": round(time.time(), 3),
                "request_id": request_id,
                "client": scope["client"][0] if scope.get("client") else None,
                "method": scope["method"],
                "path": scope["path"][:200],
                "status": status,
                "ms": round(seconds * 1000, 1),
                **entry,
            }
        )


def _request_id(scope: Scope) -> str:
    """The client's own if it is safe to log, else a new one."""
    request_id = Headers(scope=scope).get("x-request-id", "")
    return request_id if _REQUEST_ID.fullmatch(request_id) else uuid.uuid4().hex
