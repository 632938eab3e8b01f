"""An HTTP/1.1 connection with timeouts for receiving the head of a request and for sending the response.

uvicorn closes a connection that is idle between two requests. One that sends its head a byte at a time, or that never
reads its response, it would keep forever.
"""

import asyncio
import json
import uuid
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from condetr.serving.limits import Limits
from condetr.serving.protocol.http_errors import Refused, busy

_REASONS = {400: "Bad Request", 408: "Request Timeout", 503: "Service Unavailable"}


class Connection(H11Protocol):
    """uvicorn's protocol with timeouts, and with error responses in the service's format."""

    def __init__(self, *args: Any, limits: Limits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._close_with(busy("too many connections"))
        else:
            self._head_timer = self._call_later(self._limits.header_seconds, self._on_late_head)

    def connection_lost(self, exc: Exception | None) -> None:
        _stop(self._head_timer)
        _stop(self._write_timer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._head_timer is None and self.conn.their_state is h11.IDLE:
            self._head_timer = self._call_later(self._limits.header_seconds, self._on_late_head)
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            _stop(self._head_timer)
            self._head_timer = None

    def pause_writing(self) -> None:
        super().pause_writing()
        _stop(self._write_timer)
        self._write_timer = self._call_later(self._limits.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        _stop(self._write_timer)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  uvicorn's signature
        self._close_with(Refused(400, "http", "the request is not valid HTTP/1.1"))

    def _on_late_head(self) -> None:
        self._close_with(Refused(408, "timeout", f"the head did not arrive within {self._limits.header_seconds:g} s"))

    def _close_with(self, refused: Refused) -> None:
        """Send the error unless a response has begun already, and close."""
        _stop(self._head_timer)
        if not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
                self.transport.write(_response(refused))
            self.transport.close()

    def _call_later(self, seconds: float, action: Callable[[], None]) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, action)


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def _response(refused: Refused) -> bytes:
    body = json.dumps(refused.body(uuid.uuid4().hex)).encode()
    headers = refused.headers() | {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
    }
    lines = [f"HTTP/1.1 {refused.status} {_REASONS[refused.status]}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
